import { expect, test } from 'vitest';
import { decimate } from '../../src/data/decimate';
import { frameOf, last, legendText, seriesText, summary } from '../../src/data/frame';
import { bucketsOf } from '../../src/data/heat';

test('samples lie on the grid and what is missing is a gap', () => {
    const frame = frameOf([{ metric: { a: 'x' }, values: [[10, '1'], [30, '+Inf']] }], 10, 40, 10, 10);
    expect([...frame.times]).toEqual([10, 20, 30, 40]);
    expect([...(frame.columns[0]?.values ?? [])]).toEqual([1, NaN, Infinity, NaN]);
    expect(last(frame.columns[0]?.values ?? new Float64Array())).toBe(Infinity);
});

test('series beyond the limit are counted', () => {
    const many = Array.from({ length: 12 }, (_, i) => ({ metric: { i: String(i) }, values: [] }));
    expect(frameOf(many, 0, 10, 1, 5).left).toBe(7);
});

test('thinning keeps every peak and stays below the limit', () => {
    const values: Array<[number, string]> = Array.from({ length: 10_000 }, (_, i) => [i, i === 7777 ? '500' : i === 1234 ? '-500' : String(i % 10)]);
    const thin = decimate(frameOf([{ metric: {}, values }], 0, 9999, 1, 1), 400);
    expect(thin.times.length).toBeLessThanOrEqual(400);
    const { min, max } = summary(thin.columns[0]?.values ?? new Float64Array());
    expect([min, max]).toEqual([-500, 500]);
    for (let i = 1; i < thin.times.length; i++) expect(thin.times[i] as number).toBeGreaterThanOrEqual(thin.times[i - 1] as number);
});

test('a million points are thinned in less than a second', () => {
    const columns = Array.from({ length: 100 }, (_, c) => ({ labels: {}, name: String(c), values: Float64Array.from({ length: 10_000 }, (_, i) => i * c) }));
    const frame = { times: Float64Array.from({ length: 10_000 }, (_, i) => i), columns, left: 0, warnings: [] };
    expect(decimate(frame, 1000).columns).toHaveLength(100);
});

test('text of labels is quoted, and a legend takes values as they are', () => {
    expect(seriesText({ __name__: 'up', job: 'a"b\n' })).toBe('up{job="a\\"b\\n"}');
    expect(legendText('{{job}} of {{none}}', { job: '<b>' })).toBe('<b> of ');
});

test('running sums become buckets, and equal bounds are added', () => {
    const raw = (le: string, v: string) => ({ metric: { le }, values: [[0, v]] as Array<[number, string]> });
    const heat = bucketsOf(frameOf([raw('1', '2'), raw('1', '1'), raw('5', '7'), raw('+Inf', '7')], 0, 0, 1, 10));
    expect(heat.rows.map((r) => [r.lower, r.upper, r.counts[0]])).toEqual([[0, 1, 3], [1, 5, 4]]);
    expect(heat.most).toBe(4);
});
