// Where a panel's data come from: the hub, or a question that is asked again and again.

import { useMemo } from 'preact/hooks';
import { ApiError, post } from '../api/client';
import type { LiveStore } from '../api/live';
import { askRange } from '../api/range';
import type { Answer } from '../api/types';
import { useCall } from '../api/use';
import { type Dashboard, isInstant, type Panel, type Query } from '../data/dashboard';
import { type Frame, frameOf, joined, legendText, type RawSeries } from '../data/frame';
import { align, type Range, stepFor } from '../data/time';
import { substitute, type Values } from '../data/variables';

/** What all panels of a page have in common. */
export interface Context {
    dashboard: Dashboard;
    values: Values;
    /** The range now; `refresh` asks again with the range of then. */
    range: () => Range;
    rangeKey: string;
    refreshSeconds: number;
    live?: LiveStore;
    onZoom?: (start: number, end: number) => void;
}

export interface PanelData {
    frame: Frame | undefined;
    error: string | undefined;
    waiting: boolean;
    range: Range;
}

/** Series of a panel; more are said to be left out. */
const MOST_SERIES = 400;
/** Points a panel is wide, at most; a step is no shorter than a second. */
const POINTS = 240;

/** The step with which a panel asks. */
export function panelStep(range: Range): number {
    return stepFor(range, POINTS);
}

/** The data of `panel`, its series named by the legends of its queries. */
export function usePanel(panel: Panel, context: Context): PanelData {
    return context.live ? useLivePanel(panel, context, context.live) : useAskedPanel(panel, context);
}

function useAskedPanel(panel: Panel, context: Context): PanelData {
    const queries = panel.queries ?? [];
    const about = [JSON.stringify(queries), JSON.stringify(context.values), context.rangeKey];
    const ask = async (abort: AbortSignal) => {
        const now = context.range();
        const step = panelStep(now);
        const on = align(now, step);
        const frames = await Promise.all(queries.map((q) => askOne(panel, q, context, { ...on, step }, abort)));
        return { frame: joined(frames), range: now };
    };
    const { data, error, waiting } = useCall(ask, about, queries.length > 0 ? context.refreshSeconds * 1000 : 0);
    return { frame: data?.frame, error: error?.message, waiting, range: data?.range ?? context.range() };
}

async function askOne(panel: Panel, query: Query, context: Context, on: Range & { step: number }, abort: AbortSignal): Promise<Frame> {
    const expr = substitute(query.expr, context.values, { step: on.step, range: on.end - on.start });
    if (expr.trim() === '') throw new ApiError('this panel has an empty query', 400);
    let frame: Frame;
    if (isInstant(panel.kind)) {
        const answer = await post<Answer>('/api/v1/query', { query: expr, time: on.end }, abort);
        frame = frameOfInstant(answer, on.end);
    } else {
        const origin = { dashboard: context.dashboard.id, panel: panel.title };
        frame = await askRange({ expr, ...on, points: 2 * POINTS, series: MOST_SERIES, origin }, abort);
    }
    return named(frame, query);
}

/** The values of one moment as a frame with one time. */
export function frameOfInstant(answer: Answer, at: number): Frame {
    const result = answer.result as RawSeries[];
    const raw: RawSeries[] =
        answer.resultType === 'scalar'
            ? [{ metric: {}, values: [[at, (answer.result as [number, string])[1]]] }]
            : result.map((s) => ({ metric: s.metric, values: s.value ? [[at, s.value[1]]] : undefined, histograms: s.histogram ? [[at, s.histogram[1]]] : undefined }));
    return frameOf(raw, at, at, 1, 10_000);
}

function named(frame: Frame, query: Query): Frame {
    const template = query.legend ?? '';
    // the query is remembered by its text, so that a table knows whose column a value belongs in
    return { ...frame, columns: frame.columns.map((c) => ({ ...c, name: legendText(template, c.labels) || query.expr, query: query.expr })) };
}

function useLivePanel(panel: Panel, context: Context, live: LiveStore): PanelData {
    const queries = panel.queries ?? [];
    const range = context.range();
    const times = { step: panelStep(range), range: range.end - range.start };
    const states = queries.map((q) => live.state({ expr: substitute(q.expr, context.values, times), instant: isInstant(panel.kind) })?.value);
    const frame = useMemo(() => {
        const frames = states.flatMap((s, i) => (s?.frame ? [named(s.frame, queries[i] as Query)] : []));
        return frames.length > 0 ? gridded(frames) : undefined;
    }, states);
    const error = states.find((s) => s?.error !== undefined && !s.frame)?.error;
    const newest = frame?.times[frame.times.length - 1];
    const shown = newest === undefined ? range : { start: newest - (range.end - range.start), end: newest };
    return { frame, error, waiting: states.some((s) => s?.frame === undefined && s?.error === undefined), range: shown };
}

/** Live frames may miss steps, each its own: they are laid on all times that there are. */
function gridded(frames: Frame[]): Frame {
    if (frames.length === 1) return frames[0] as Frame;
    const times = Float64Array.from([...new Set(frames.flatMap((f) => [...f.times]))].sort((a, b) => a - b));
    const at = new Map([...times].map((t, i) => [t, i]));
    const columns = frames.flatMap((f) =>
        f.columns.map((c) => {
            const values = new Float64Array(times.length).fill(Number.NaN);
            f.times.forEach((t, i) => {
                values[at.get(t) as number] = c.values[i] as number;
            });
            return { ...c, values };
        }),
    );
    return { times, columns, left: 0, warnings: [] };
}
