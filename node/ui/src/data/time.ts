// Time ranges as people write them, and the step at which a range is asked.

/** A range as it stands in the address: `now-15m` or Unix seconds. */
export interface RangeText {
    from: string;
    to: string;
}

/** A range in Unix seconds. */
export interface Range {
    start: number;
    end: number;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** Seconds of `90`, `15m` or `1h30m`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
    if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
    const parts = [...text.matchAll(/(\d+)([smhdwy])/g)];
    if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text) return undefined;
    return parts.reduce((sum, p) => sum + Number(p[1]) * (UNITS[p[2] ?? ''] ?? 0), 0);
}

/** The shortest way to write a duration: `90s` as `1m30s`, `7200` as `2h`. */
export function durationText(seconds: number): string {
    if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
    let rest = Math.round(seconds);
    let out = '';
    for (const unit of ['d', 'h', 'm', 's']) {
        const size = UNITS[unit] ?? 1;
        const count = Math.floor(rest / size);
        if (count > 0) out += `${count}${unit}`;
        rest -= count * size;
    }
    return out;
}

/** Unix seconds of `now`, `now-1h`, Unix seconds or an ISO date. */
export function parseMoment(text: string, nowS: number): number | undefined {
    const relative = /^now(?:-(\w+))?$/.exec(text.trim());
    if (relative) {
        const back = relative[1] === undefined ? 0 : parseDuration(relative[1]);
        return back === undefined ? undefined : nowS - back;
    }
    if (/^\d{9,11}(\.\d+)?$/.test(text)) return Number(text);
    const date = Date.parse(text);
    return Number.isNaN(date) ? undefined : date / 1000;
}

/** The range that `text` means at `nowS`, or why it means none. */
export function resolve(text: RangeText, nowS: number): Range | string {
    const start = parseMoment(text.from, nowS);
    const end = parseMoment(text.to, nowS);
    if (start === undefined) return `“${text.from}” is no time: write now-1h or 2026-01-31 12:00`;
    if (end === undefined) return `“${text.to}” is no time: write now or 2026-01-31 12:00`;
    if (end <= start) return 'the end must be after the start';
    return { start, end };
}

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/** The smallest round step with which a range has no more than `points` steps. */
export function stepFor(range: Range, points: number, least = 1): number {
    const wanted = Math.max((range.end - range.start) / Math.max(points, 1), least);
    return STEPS.find((s) => s >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
}

/** The range moved out to whole steps, so that the same range asked twice has the same steps. */
export function align(range: Range, step: number): Range {
    return { start: Math.floor(range.start / step) * step, end: Math.floor(range.end / step) * step };
}

/** Quick choices of the range picker. */
export const QUICK: ReadonlyArray<[string, string]> = [
    ['now-5m', '5 minutes'],
    ['now-15m', '15 minutes'],
    ['now-1h', '1 hour'],
    ['now-3h', '3 hours'],
    ['now-12h', '12 hours'],
    ['now-1d', '1 day'],
    ['now-7d', '7 days'],
    ['now-30d', '30 days'],
];

/** What the range picker says of a range. */
export function rangeTitle(text: RangeText): string {
    const quick = text.to === 'now' && QUICK.find(([from]) => from === text.from);
    if (quick) return `Last ${quick[1]}`;
    const one = (part: string) => (/^\d{9,11}/.test(part) ? stamp(Number(part)) : part);
    return `${one(text.from)} to ${one(text.to)}`;
}

const two = (n: number) => String(n).padStart(2, '0');

/** `2026-01-31 12:00:05` in the reader's zone. */
export function stamp(seconds: number): string {
    const d = new Date(seconds * 1000);
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(seconds)}`;
}

/** `12:00:05` in the reader's zone. */
export function clock(seconds: number): string {
    const d = new Date(seconds * 1000);
    return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** `3 min ago`, `in 2 h`. */
export function ago(seconds: number, nowS: number): string {
    const distance = Math.abs(nowS - seconds);
    const [size, unit] = distance < 60 ? [1, 's'] : distance < 3600 ? [60, 'min'] : distance < 172_800 ? [3600, 'h'] : [86_400, 'd'];
    const text = `${Math.round(distance / (size as number))} ${unit}`;
    return seconds <= nowS ? `${text} ago` : `in ${text}`;
}
