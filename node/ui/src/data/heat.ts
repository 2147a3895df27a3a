// Buckets of a classic histogram, out of the running sums that its series hold.

import { type Frame, parseValue } from './frame';

export interface HeatRow {
    lower: number;
    upper: number;
    counts: Float64Array;
}

export interface Heat {
    times: Float64Array;
    rows: HeatRow[];
    most: number;
}

/** The rows from the lowest bucket up. Series with the same `le` are added up; series without one are left out. */
export function bucketsOf(frame: Frame): Heat {
    const sums = new Map<number, Float64Array>();
    for (const column of frame.columns) {
        const le = column.labels.le;
        if (le === undefined) continue;
        const bound = parseValue(le);
        const sum = sums.get(bound) ?? new Float64Array(frame.times.length);
        column.values.forEach((v, i) => {
            if (Number.isFinite(v)) sum[i] = (sum[i] as number) + v;
        });
        sums.set(bound, sum);
    }
    const bounds = [...sums.keys()].sort((a, b) => a - b);
    let most = 0;
    let below: Float64Array | undefined;
    let lower = 0;
    const rows = bounds.map((upper) => {
        const sum = sums.get(upper) as Float64Array;
        // sums that are not in step between two scrapes can lie a little below the one before
        const counts = sum.map((v, i) => Math.max(0, v - (below?.[i] ?? 0)));
        for (const v of counts) if (v > most) most = v;
        const row = { lower, upper, counts };
        [below, lower] = [sum, upper];
        return row;
    });
    while (rows.length > 1 && (rows[rows.length - 1] as HeatRow).counts.every((v) => v === 0)) rows.pop();
    return { times: frame.times, rows, most };
}
