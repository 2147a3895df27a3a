// Numbers as people read them. The unit of a panel is one of these words; anything else is shown behind the number.

export type Unit = string;

const SI: ReadonlyArray<[number, string]> = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
const IEC: ReadonlyArray<[number, string]> = [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']];

/** Three significant digits at most, no trailing zeros: 1234.5 → 1235, 0.01234 → 0.0123. */
function digits(v: number): string {
    const size = Math.abs(v);
    if (size >= 100) return v.toFixed(0);
    if (size >= 10) return trim(v.toFixed(1));
    if (size >= 1) return trim(v.toFixed(2));
    if (size === 0) return '0';
    if (size < 1e-6) return v.toExponential(1);
    return trim(v.toPrecision(3));
}

const trim = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

function scaled(v: number, scale: ReadonlyArray<[number, string]>, one: string): string {
    const found = scale.find(([size]) => Math.abs(v) >= size * 0.9995);
    return found ? `${digits(v / found[0])} ${found[1]}`.replace(/ ([kMGT])$/, ' $1') : `${digits(v)}${one}`;
}

function seconds(v: number): string {
    const size = Math.abs(v);
    if (size === 0) return '0 s';
    if (size < 1e-6) return `${digits(v * 1e9)} ns`;
    if (size < 1e-3) return `${digits(v * 1e6)} µs`;
    if (size < 1) return `${digits(v * 1e3)} ms`;
    if (size < 120) return `${digits(v)} s`;
    if (size < 7200) return `${digits(v / 60)} min`;
    if (size < 172_800) return `${digits(v / 3600)} h`;
    return `${digits(v / 86_400)} d`;
}

function dollars(v: number): string {
    const size = Math.abs(v);
    const sign = v < 0 ? '−' : '';
    if (size >= 1e6) return `${sign}$${digits(size / 1e6)} M`;
    if (size >= 10_000) return `${sign}$${digits(size / 1e3)} k`;
    if (size >= 1 || size === 0) return `${sign}$${size.toFixed(2)}`;
    return `${sign}$${size < 0.0001 ? size.toExponential(1) : trim(size.toPrecision(3))}`;
}

/** `v` with its unit. */
export function format(v: number | null | undefined, unit: Unit = ''): string {
    if (v === null || v === undefined) return '–';
    if (Number.isNaN(v)) return 'NaN';
    if (!Number.isFinite(v)) return v > 0 ? '+∞' : '−∞';
    switch (unit) {
        case 's': return seconds(v);
        case 'ms': return seconds(v / 1000);
        case 'bytes': return scaled(v, IEC, ' B');
        case 'bytes/s': return `${scaled(v, IEC, ' B')}/s`;
        case 'percent': return `${digits(v * 100)} %`;
        case 'percent100': return `${digits(v)} %`;
        case 'usd': return dollars(v);
        case 'usd/h': return `${dollars(v)}/h`;
        case 'count': return Math.abs(v) >= 1e4 ? scaled(v, SI, '') : trim(v.toFixed(Number.isInteger(v) || Math.abs(v) >= 100 ? 0 : 2));
        case 'time': return new Date(v * 1000).toLocaleString();
        case '': case 'short': return scaled(v, SI, '');
        default: return unit.startsWith('/') ? `${scaled(v, SI, '')}${unit}` : `${scaled(v, SI, '')} ${unit}`;
    }
}

/** Labels of an axis: as many digits as tell neighbours apart, and the unit of the largest for all. */
export function axisLabels(values: ReadonlyArray<number>, unit: Unit): string[] {
    const texts = values.map((v) => short(format(v, unit)));
    return new Set(texts).size === texts.length ? texts : values.map((v) => longer(v, unit));
}

/** Cents of whole dollars say nothing beside one another. */
const short = (text: string) => (text.startsWith('$') || text.startsWith('−$') ? text.replace(/\.00(?=\/|$)/, '') : text);

function longer(v: number, unit: Unit): string {
    if (unit === 'percent') return `${trim((v * 100).toFixed(3))} %`;
    if (unit === 'usd') return `$${trim(v.toFixed(5))}`;
    if (unit === 's') return `${trim(v.toFixed(6))} s`;
    return trim(v.toPrecision(8));
}

/** Places every digit: 1234567.5 → 1,234,567.5. */
export function exact(v: number): string {
    return Number.isFinite(v) ? v.toLocaleString('en-US', { maximumFractionDigits: 6 }) : format(v);
}
