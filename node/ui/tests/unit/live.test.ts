import { expect, test } from 'vitest';
import { EventParser } from '../../src/api/sse';
import { levelOf } from '../../src/data/dashboard';

test('events come out whole however the text is cut', () => {
    const text = ': quiet\n\nevent: tick\ndata: {"at":1}\n\nevent: end\ndata: {"reason":"x"}\n\n';
    for (let cut = 1; cut < text.length; cut++) {
        const parser = new EventParser();
        const events = [...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))];
        expect(events).toEqual([{ name: 'tick', data: '{"at":1}' }, { name: 'end', data: '{"reason":"x"}' }]);
    }
});

test('a threshold holds from its value on', () => {
    const thresholds = [{ at: 0.1, level: 'bad' as const }, { at: 0.05, level: 'warn' as const }];
    expect([0, 0.05, 0.09, 0.1, null].map((v) => levelOf(v, thresholds))).toEqual(['', 'warn', 'warn', 'bad', '']);
});
