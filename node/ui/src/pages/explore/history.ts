// Queries that were run in this browser, the newest first.

import { remember, remembered } from '../../shell/state';

const KEY = 'plimsoll.history';
const MOST = 60;

export function pastQueries(): string[] {
    try {
        const all = JSON.parse(remembered(KEY) ?? '[]') as unknown;
        return Array.isArray(all) ? all.filter((one): one is string => typeof one === 'string').slice(0, MOST) : [];
    } catch {
        return [];
    }
}

export function rememberQuery(expr: string): string[] {
    const all = [expr, ...pastQueries().filter((one) => one !== expr)].slice(0, MOST);
    remember(KEY, JSON.stringify(all));
    return all;
}

export function forgetQueries(): void {
    remember(KEY, '[]');
}
