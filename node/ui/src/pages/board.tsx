// A dashboard with its variables, on the live stream where it is a live one that shows the present.

import { useEffect, useMemo } from 'preact/hooks';
import { get } from '../api/client';
import { LiveStore } from '../api/live';
import { useCall } from '../api/use';
import { type Dashboard, isInstant, type Variable } from '../data/dashboard';
import { labelValuesOf, substitute, type Values } from '../data/variables';
import { type Range, resolve } from '../data/time';
import { type Context, panelStep } from '../panels/data';
import { PanelView } from '../panels/panel';
import { range, refresh, zoomTo } from '../shell/range';
import { place, tune } from '../shell/state';

/** Seconds between two values of a live query. */
const LIVE_STEP_S = 5;
/** A live window is filled from the hub; a longer one is asked for. */
const LONGEST_LIVE_S = 3600;

export function Board({ dashboard, onLive }: { dashboard: Dashboard; onLive?: (store: LiveStore | undefined) => void }) {
    const values = useValues(dashboard);
    const text = range.value;
    const now = (): Range => {
        const found = resolve(text, Date.now() / 1000);
        return typeof found === 'string' ? { start: Date.now() / 1000 - 3600, end: Date.now() / 1000 } : found;
    };
    const length = now().end - now().start;
    const live = useLive(dashboard, values, dashboard.live === true && text.to === 'now' && length <= LONGEST_LIVE_S ? length : 0);
    useEffect(() => onLive?.(live), [live]);
    const context: Context = {
        dashboard,
        values,
        range: now,
        rangeKey: `${text.from}|${text.to}`,
        refreshSeconds: text.to === 'now' ? refresh.value : 0,
        live,
        onZoom: zoomTo,
    };
    return (
        <div class="stack">
            {(dashboard.variables?.length ?? 0) > 0 && <div class="row">{dashboard.variables?.map((v) => <Choice key={v.name} variable={v} values={values} />)}</div>}
            <div class="grid">{dashboard.panels.map((p, i) => <PanelView panel={p} context={context} key={`${i} ${p.title} ${live ? 'live' : 'asked'}`} />)}</div>
        </div>
    );
}

/** The chosen values: of the address, or the first choice of the dashboard. */
function useValues(dashboard: Dashboard): Values {
    const query = place.value.query;
    const text = query.toString();
    return useMemo(() => {
        const out: Values = {};
        for (const v of dashboard.variables ?? []) {
            const chosen = query.getAll(`var-${v.name}`).flatMap((one) => one.split('\u001f')).filter(Boolean);
            out[v.name] = chosen.length > 0 ? chosen : (v.default ?? []);
        }
        return out;
    }, [dashboard, text]);
}

function useLive(dashboard: Dashboard, values: Values, length: number): LiveStore | undefined {
    const key = JSON.stringify(values);
    const window = Math.round(length);
    const store = useMemo(() => {
        if (window === 0) return undefined;
        const times = { step: panelStep({ start: 0, end: window }), range: window };
        const questions = dashboard.panels.flatMap((p) => (p.queries ?? []).map((q) => ({ expr: substitute(q.expr, values, times), instant: isInstant(p.kind) })));
        const once = new Map(questions.map((q) => [`${q.instant} ${q.expr}`, q]));
        return new LiveStore([...once.values()], LIVE_STEP_S, window);
    }, [dashboard, key, window]);
    useEffect(() => {
        void store?.run();
        return () => store?.close();
    }, [store]);
    return store;
}

function Choice({ variable, values }: { variable: Variable; values: Values }) {
    const asked = useCall((abort) => options(variable, abort), [variable.name, variable.query], 60_000);
    const chosen = values[variable.name] ?? [];
    const all = [...new Set([...chosen, ...(asked.data ?? [])])];
    const every = variable.default === undefined || variable.default.length === 0;
    return (
        <label class="inline" title={asked.error?.message}>
            {variable.label ?? variable.name}
            <select value={chosen.length === 1 ? chosen[0] : ''} onChange={(e) => tune({ [`var-${variable.name}`]: e.currentTarget.value || undefined })}>
                {every && <option value="">all</option>}
                {all.map((v) => <option value={v} key={v}>{v}</option>)}
            </select>
        </label>
    );
}

async function options(variable: Variable, abort: AbortSignal): Promise<string[]> {
    if (variable.values) return variable.values;
    const wanted = labelValuesOf(variable.query ?? '');
    if (!wanted) return [];
    const path = `/api/v1/label/${encodeURIComponent(wanted.label)}/values`;
    const match = wanted.selector?.replace(/\$\{?\w+(:\w+)?\}?/g, '.*');
    return get<string[]>(path, { 'match[]': match ? [match] : undefined, limit: 1000 }, abort);
}
