// Matchers of silences, as Alertmanager has them.

import type { Matcher } from '../api/types';
import type { Labels } from './frame';

/** Whether all matchers fit. Expressions are anchored, as Alertmanager's are. */
export function matches(matchers: Matcher[], labels: Labels): boolean {
    return matchers.every((m) => {
        const value = labels[m.name] ?? '';
        let hit = false;
        try {
            hit = m.isRegex ? new RegExp(`^(?:${m.value})$`).test(value) : value === m.value;
        } catch {
            // Go's expressions have words that this browser's do not: the node decides
        }
        return m.isEqual === false ? !hit : hit;
    });
}

/** Matchers as they are written, one a line; or what is wrong. */
export function parseMatchers(text: string): Matcher[] | string {
    const out: Matcher[] = [];
    for (const line of text.split('\n').map((l) => l.trim()).filter(Boolean)) {
        const found = /^([A-Za-z_][\w]*)\s*(=~|!~|!=|=)\s*(.*)$/.exec(line);
        if (!found) return `“${line}” is no matcher: write name="value"`;
        const [, name = '', op = '=', raw = ''] = found;
        let value = raw;
        if (raw.startsWith('"')) {
            try {
                value = JSON.parse(raw) as string;
            } catch {
                return `“${raw}” is no string in quotes`;
            }
        }
        out.push({ name, value, isRegex: op.endsWith('~'), isEqual: !op.startsWith('!') });
    }
    return out.length === 0 ? 'name at least one label: a silence for everything hides the next outage' : out;
}
