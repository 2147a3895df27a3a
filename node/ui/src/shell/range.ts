// The time range of the page, in its address.

import { computed, signal } from '@preact/signals';
import type { RangeText } from '../data/time';
import { place, tune } from './state';

/** What a page shows when its address names no range; set by the page. */
const standard = signal<RangeText>({ from: 'now-1h', to: 'now' });

export const range = computed<RangeText>(() => ({
    from: place.value.query.get('from') ?? standard.value.from,
    to: place.value.query.get('to') ?? standard.value.to,
}));

/** Seconds between refreshes; 0 is never. */
export const refresh = computed<number>(() => {
    const text = place.value.query.get('refresh');
    return text === null ? 10 : Math.max(0, Number(text) || 0);
});

export function setStandard(text: RangeText): void {
    const old = standard.peek();
    if (old.from !== text.from || old.to !== text.to) standard.value = text;
}

export function setRange(text: RangeText): void {
    tune({ from: text.from, to: text.to });
}

/** Shows what lies between two moments in Unix seconds. */
export function zoomTo(start: number, end: number): void {
    if (end - start < 2) return;
    tune({ from: String(Math.floor(start)), to: String(Math.ceil(end)) });
}
