// @vitest-environment node
import { expect, test } from 'vitest';
import { matches, parseMatchers } from '../../src/data/matchers';

test('matchers are read as people write them', () => {
    expect(parseMatchers('job="api"\ncode=~5..\nteam != "x y"')).toEqual([
        { name: 'job', value: 'api', isRegex: false, isEqual: true },
        { name: 'code', value: '5..', isRegex: true, isEqual: true },
        { name: 'team', value: 'x y', isRegex: false, isEqual: false },
    ]);
    expect(parseMatchers('nonsense')).toContain('nonsense');
    expect(parseMatchers('')).toContain('at least one');
});

test('all matchers must fit, and expressions are anchored', () => {
    const labels = { job: 'api', code: '503' };
    const fits = (text: string) => matches(parseMatchers(text) as never, labels);
    expect(['job=api', 'code=~5..', 'code=~5', 'job!=api', 'none!=x', 'job=api\ncode=200'].map(fits)).toEqual([true, true, false, false, true, false]);
});
