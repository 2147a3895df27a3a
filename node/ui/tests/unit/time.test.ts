import { describe, expect, test } from 'vitest';
import { align, durationText, parseDuration, parseMoment, resolve, stepFor } from '../../src/data/time';

describe('durations', () => {
    test.each([['90', 90], ['15m', 900], ['1h30m', 5400], ['2d', 172_800]])('%s is %d s', (text, seconds) => expect(parseDuration(text)).toBe(seconds));
    test.each(['', 'm', '5x', '5m!', '-5m'])('%j is none', (text) => expect(parseDuration(text)).toBeUndefined());
    test('are written the shortest way', () => expect([90, 7200, 0.25, 172_800].map(durationText)).toEqual(['1m30s', '2h', '250ms', '2d']));
});

test('a moment is relative, in seconds, or a date', () => {
    expect(parseMoment('now', 1000)).toBe(1000);
    expect(parseMoment('now-1m', 1000)).toBe(940);
    expect(parseMoment('1700000000', 0)).toBe(1_700_000_000);
    expect(parseMoment('2026-01-31T12:00:00Z', 0)).toBe(Date.UTC(2026, 0, 31, 12) / 1000);
    expect(parseMoment('yesterday', 0)).toBeUndefined();
});

test('a range that ends before it starts is refused with the reason', () => {
    expect(resolve({ from: 'now', to: 'now-1h' }, 5000)).toContain('after the start');
    expect(resolve({ from: 'now-1h', to: 'then' }, 5000)).toContain('then');
});

test('a step is round and gives no more points than there is room for', () => {
    for (const seconds of [60, 900, 3600, 86_400, 30 * 86_400]) {
        const range = { start: 0, end: seconds };
        const step = stepFor(range, 240);
        expect(seconds / step).toBeLessThanOrEqual(240);
    }
    expect(align({ start: 7, end: 23 }, 5)).toEqual({ start: 5, end: 20 });
});
