// Variables in queries: `$name`, `${name}`, `${name:regex}`, and the times of the panel.

export type Values = Record<string, string[]>;

/** Times that a query may ask for. */
export interface Times {
    step: number;
    range: number;
}

/** The window for rates that never misses a sample: four scrapes, and no shorter than what is between two points. */
export function rateInterval(step: number): number {
    return Math.max(60, step + 15);
}

const escapeRegex = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
/** For the inside of a PromQL string: the text stays one string whatever is in it. */
const escapeString = (text: string) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

/** The text of a variable inside a query. Several values are an alternation for `=~`. */
export function variableText(values: string[], form: string | undefined): string {
    if (form === 'raw') return values.join(',');
    if (form === 'csv') return values.join(',');
    const several = values.length !== 1 || form === 'regex' || form === 'pipe';
    if (!several) return escapeString(values[0] ?? '');
    // every value, where none is chosen
    if (values.length === 0) return '.*';
    return escapeString(`${values.map(escapeRegex).join('|')}`);
}

/** `expr` with its variables in place. A name that is none stays as it is. */
export function substitute(expr: string, values: Values, times: Times): string {
    const builtIn: Record<string, string> = {
        __interval: `${Math.max(1, Math.round(times.step))}s`,
        __rate_interval: `${Math.round(rateInterval(times.step))}s`,
        __range: `${Math.max(1, Math.round(times.range))}s`,
        __range_s: `${Math.max(1, Math.round(times.range))}`,
        __interval_ms: `${Math.max(1, Math.round(times.step)) * 1000}`,
    };
    return expr.replace(/\$\{(\w+)(?::(\w+))?\}|\$(\w+)/g, (whole, braced?: string, form?: string, bare?: string) => {
        const name = braced ?? bare ?? '';
        const time = builtIn[name];
        if (time !== undefined) return time;
        const chosen = values[name];
        return chosen === undefined ? whole : variableText(chosen, form);
    });
}

/** What `label_values(metric, label)` or `label_values(label)` asks for. */
export function labelValuesOf(query: string): { selector: string | undefined; label: string } | undefined {
    const found = /^\s*label_values\(\s*(?:(.*),)?\s*([\w.]+)\s*\)\s*$/s.exec(query);
    if (!found) return undefined;
    return { selector: found[1]?.trim() || undefined, label: found[2] ?? '' };
}
