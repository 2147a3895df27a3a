import { expect, test } from 'vitest';
import { axisLabels, exact, format } from '../../src/data/units';

test.each([
    [0.0042, 's', '4.2 ms'], [95, 's', '95 s'], [600, 's', '10 min'], [1.5, 's', '1.5 s'], [0, 's', '0 s'],
    [1536, 'bytes', '1.5 KiB'], [10, 'bytes', '10 B'], [5 * 2 ** 30, 'bytes/s', '5 GiB/s'],
    [0.125, 'percent', '12.5 %'], [12.5, 'percent100', '12.5 %'],
    [1234.5, 'usd', '$1234.50'], [0.0123, 'usd', '$0.0123'], [-2, 'usd', '−$2.00'], [2.5, 'usd/h', '$2.50/h'],
    [1_250_000, '', '1.25 M'], [999, 'count', '999'], [12_000, '/s', '12 k/s'], [3, 'cores', '3 cores'],
])('%d in %j is %s', (value, unit, text) => expect(format(value, unit).replace(/\u202f|\u2009|\u00a0/g, ' ')).toBe(text));

test('what is no number is said so', () => {
    expect([null, undefined, Number.NaN, Infinity].map((v) => format(v as number, 's'))).toEqual(['–', '–', 'NaN', '+∞']);
});

test('neighbours on an axis are told apart', () => {
    const labels = axisLabels([1000.001, 1000.002, 1000.003], 's');
    expect(new Set(labels).size).toBe(3);
    expect(exact(1_234_567.5)).toBe('1,234,567.5');
});
