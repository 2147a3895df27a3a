// Fewer points with the same look: of each bucket of neighbours the least and the most are kept, in their order, so
// that no peak is lost.

import type { Column, Frame } from './frame';

/** At most `points` points of `frame`; a frame that is small enough is the answer itself. */
export function decimate(frame: Frame, points: number): Frame {
    const count = frame.times.length;
    if (count <= points || points < 4) return frame;
    const width = Math.ceil(count / Math.floor(points / 2));
    const buckets = Math.ceil(count / width);
    const times = new Float64Array(buckets * 2);
    for (let b = 0; b < buckets; b++) {
        const [first, after] = [b * width, Math.min((b + 1) * width, count)];
        times[b * 2] = frame.times[first] ?? 0;
        times[b * 2 + 1] = frame.times[after - 1] ?? 0;
        // two equal times would be drawn as one point
        if (after - first === 1) times[b * 2 + 1] = (frame.times[first] ?? 0) + Number.EPSILON;
    }
    return { ...frame, times, columns: frame.columns.map((c) => thinned(c, width, buckets)) };
}

function thinned(column: Column, width: number, buckets: number): Column {
    const out = new Float64Array(buckets * 2).fill(Number.NaN);
    for (let b = 0; b < buckets; b++) {
        let [least, most, leastAt, mostAt] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, -1];
        for (let i = b * width; i < (b + 1) * width && i < column.values.length; i++) {
            const v = column.values[i] as number;
            if (v < least) [least, leastAt] = [v, i];
            if (v > most) [most, mostAt] = [v, i];
        }
        if (leastAt < 0) continue;
        out[b * 2] = leastAt <= mostAt ? least : most;
        out[b * 2 + 1] = leastAt <= mostAt ? most : least;
    }
    return { ...column, values: out };
}
