// What a query answered, as columns on one grid of times.

export type Labels = Record<string, string>;

/** A series on the grid of its frame; a step without a sample is NaN-free: it is null. */
export interface Column {
    /** The query that it answers, where several are shown together. */
    query?: string;
    labels: Labels;
    name: string;
    values: Float64Array;
}

/** Series on one grid of times. A step without a sample holds `GAP`. */
export interface Frame {
    times: Float64Array;
    columns: Column[];
    /** Series that were not taken because there were too many. */
    left: number;
    warnings: string[];
}

/** Stands for "no sample at this step": a NaN with bits that arithmetic does not make cannot be told apart here, so
 * a sample that IS NaN is drawn as a gap too. */
export const GAP = Number.NaN;

/** A series as Prometheus' API writes it. */
export interface RawSeries {
    metric: Labels;
    value?: [number, string];
    values?: Array<[number, string]>;
    histogram?: [number, RawHistogram];
    histograms?: Array<[number, RawHistogram]>;
}

export interface RawHistogram {
    count: string;
    sum: string;
    buckets?: Array<[number, string, string, string]>;
}

/** A number as Prometheus' API writes it. */
export function parseValue(text: string): number {
    if (text === '+Inf') return Number.POSITIVE_INFINITY;
    if (text === '-Inf') return Number.NEGATIVE_INFINITY;
    return Number(text);
}

/** Lays a matrix on the grid from `start` to `end` in steps of `step` seconds. */
export function frameOf(result: RawSeries[], start: number, end: number, step: number, most: number): Frame {
    const count = Math.max(0, Math.floor((end - start) / step + 1e-9) + 1);
    const times = Float64Array.from({ length: count }, (_, i) => start + i * step);
    const columns = result.slice(0, most).map((series) => {
        const values = new Float64Array(count).fill(GAP);
        const put = (t: number, v: number) => {
            const at = Math.round((t - start) / step);
            if (at >= 0 && at < count) values[at] = v;
        };
        for (const [t, v] of series.values ?? []) put(t, parseValue(v));
        // of a native histogram a line shows the mean
        for (const [t, h] of series.histograms ?? []) put(t, parseValue(h.sum) / parseValue(h.count));
        return { labels: series.metric, name: '', values };
    });
    return { times, columns, left: Math.max(0, result.length - most), warnings: [] };
}

/** Joins frames on one grid; the caller has asked all of them for the same steps. */
export function joined(frames: Frame[]): Frame {
    const widest = frames.reduce<Frame | undefined>((a, b) => (a && a.times.length >= b.times.length ? a : b), undefined);
    if (!widest) return { times: new Float64Array(), columns: [], left: 0, warnings: [] };
    return {
        times: widest.times,
        columns: frames.flatMap((f) => f.columns),
        left: frames.reduce((sum, f) => sum + f.left, 0),
        warnings: [...new Set(frames.flatMap((f) => f.warnings))],
    };
}

/** The last sample that is none of a gap. */
export function last(values: Float64Array): number | null {
    for (let i = values.length - 1; i >= 0; i--) {
        const v = values[i];
        if (v !== undefined && !Number.isNaN(v)) return v;
    }
    return null;
}

/** Least, mean and most of what is no gap. */
export function summary(values: Float64Array): { min: number | null; mean: number | null; max: number | null } {
    let [min, max, sum, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
    for (const v of values) {
        if (Number.isNaN(v)) continue;
        if (v < min) min = v;
        if (v > max) max = v;
        sum += v;
        count += 1;
    }
    return count === 0 ? { min: null, mean: null, max: null } : { min, mean: sum / count, max };
}

/** `name{a="b"}`, as a selector is written. */
export function seriesText(labels: Labels): string {
    const { __name__: name = '', ...rest } = labels;
    const pairs = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
    if (pairs.length === 0) return name || '{}';
    return `${name}{${pairs.map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(', ')}}`;
}

/** A legend's text: `{{label}}` stands for the label's value. */
export function legendText(template: string, labels: Labels): string {
    if (template === '') return seriesText(labels);
    return template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, name: string) => labels[name] ?? '');
}
