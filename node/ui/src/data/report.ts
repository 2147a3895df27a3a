// Rows of reports as the node answers them.

/** A row, or the last one with the sums. */
export type Item = Record<string, unknown>;

/** Figures that belong together come as an object: `tokens.input`. */
export function flat(item: Item): Item {
    const out: Item = {};
    for (const [name, value] of Object.entries(item)) {
        if (name === 'compare' || value === null || typeof value !== 'object') out[name] = value;
        else for (const [inner, one] of Object.entries(value)) out[`${name}.${inner}`] = one;
    }
    if (item.compare) out.compare = Object.fromEntries(Object.entries(item.compare as Item).flatMap(([name, value]) => ('before' in (value as Item) ? [[name, value]] : Object.entries(value as Item).map(([inner, one]) => [`${name}.${inner}`, one]))));
    return out;
}

/** The unit that the name of a figure ends in. */
export function unitOf(name: string): string {
    if (/(_s|_seconds|^median|^p\d\d?|^mean)$/.test(name)) return 's';
    if (/usd|cost/.test(name)) return 'usd';
    if (/bytes/.test(name)) return 'bytes';
    if (/(rate|ratio|share|per_execution)$/.test(name)) return 'percent';
    if (/percent/.test(name)) return 'percent100';
    return 'count';
}
