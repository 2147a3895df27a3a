import { expect, test } from 'vitest';
import { flat, unitOf } from '../../src/data/report';

test('figures that belong together become columns of their own, with what they were before', () => {
    const row = { model: 'gpt', tokens: { input: 5, output: 2 }, compare: { tokens: { input: { before: 4, percent: 25 } }, cost_usd: { before: 1, percent: null } } };
    expect(flat(row)).toEqual({ model: 'gpt', 'tokens.input': 5, 'tokens.output': 2, compare: { 'tokens.input': { before: 4, percent: 25 }, cost_usd: { before: 1, percent: null } } });
});

test('the name of a figure tells its unit', () => {
    expect(['p95_seconds', 'cost_usd', 'success_rate', 'errors_per_execution', 'executions', 'share'].map(unitOf)).toEqual(['s', 'usd', 'percent', 'percent', 'count', 'percent']);
});
