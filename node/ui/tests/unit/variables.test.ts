import { expect, test } from 'vitest';
import { labelValuesOf, substitute } from '../../src/data/variables';

const times = { step: 15, range: 3600 };

test('times and values take their places', () => {
    expect(substitute('rate(a{b=~"$b"}[$__rate_interval])', { b: ['x'] }, times)).toBe('rate(a{b=~"x"}[60s])');
    expect(substitute('a{b=~"${b:regex}"} / $__range_s', { b: ['x.y', 'z'] }, times)).toBe('a{b=~"x\\\\.y|z"} / 3600');
    expect(substitute('a{b=~"$b"}', { b: [] }, times)).toBe('a{b=~".*"}');
    expect(substitute('a{b=~"x$"} $unknown', {}, times)).toBe('a{b=~"x$"} $unknown');
});

test('a value with quotes cannot leave its string', () => {
    expect(substitute('a{b="$b"}', { b: ['"} or up{x="'] }, times)).toBe('a{b="\\"} or up{x=\\""}');
});

test('label_values is read with and without a selector', () => {
    expect(labelValuesOf('label_values(up{a="b, c"}, job)')).toEqual({ selector: 'up{a="b, c"}', label: 'job' });
    expect(labelValuesOf('label_values(job)')).toEqual({ selector: undefined, label: 'job' });
    expect(labelValuesOf('query_result(up)')).toBeUndefined();
});
