// Colours of series: told apart on dark and on light ground, also by those who do not see red and green apart.

export const SERIES = [
    '#4a8fe7', '#e59a3c', '#3cab7d', '#d4587f', '#8f76d8', '#2ba7b5',
    '#c2a22c', '#a77355', '#7b9a3f', '#b567bd', '#7f8b9b', '#e0725a',
];

/** The colour of the series at `index`. */
export const colorOf = (index: number): string => SERIES[index % SERIES.length] as string;

/** One shade of the heat map: 0 is empty, 1 the most. */
export function heat(share: number, dark: boolean): string {
    if (share <= 0) return 'transparent';
    const level = Math.sqrt(share);
    const light = dark ? 18 + level * 52 : 92 - level * 58;
    return `hsl(${172 - level * 4} ${28 + level * 30}% ${light}%)`;
}
