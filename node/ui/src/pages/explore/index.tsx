// Ask anything: a query, its answer as a graph, a table or a heat map, and what it is made of.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { ApiError, post } from '../../api/client';
import { askRange } from '../../api/range';
import type { Answer } from '../../api/types';
import { useCall } from '../../api/use';
import { type Frame, type RawSeries, seriesText } from '../../data/frame';
import { align, durationText, type Range, resolve, stepFor } from '../../data/time';
import { exact } from '../../data/units';
import { rateInterval, substitute } from '../../data/variables';
import { HeatMap } from '../../panels/heatmap';
import { Lines } from '../../panels/lines';
import { Icon } from '../../shell/icons';
import { CopyButton, Empty, LabelSet, Pending, Popover } from '../../shell/parts';
import { RangePicker } from '../../shell/picker';
import { range, refresh, setStandard, zoomTo } from '../../shell/range';
import { place, tune } from '../../shell/state';
import { Top } from '../../shell/top';
import { Editor } from './editor';
import { Explain } from './explain';
import { forgetQueries, pastQueries, rememberQuery } from './history';

const TABS = [['graph', 'Graph'], ['table', 'Table'], ['heatmap', 'Heat map'], ['explain', 'Explain']] as const;
type Tab = (typeof TABS)[number][0];

/** Series that are taken of an answer, and rows that a table has. */
const MOST_SERIES = 2000;
const MOST_ROWS = 1000;

export function Explore() {
    setStandard({ from: 'now-1h', to: 'now' });
    const expr = place.value.query.get('expr') ?? '';
    const tab = (place.value.query.get('tab') ?? 'graph') as Tab;
    const [text, setText] = useState(expr);
    const [past, setPast] = useState(pastQueries());
    useEffect(() => setText(expr), [expr]);
    const run = (wanted: string) => {
        const trimmed = wanted.trim();
        if (trimmed !== '') setPast(rememberQuery(trimmed));
        tune({ expr: trimmed });
    };
    const absolute = () => {
        const now = resolve(range.value, Date.now() / 1000);
        if (typeof now === 'string') return location.href;
        const url = new URL(location.href);
        const [path = '', query = ''] = url.hash.split('?', 2);
        const all = new URLSearchParams(query);
        all.set('from', String(Math.floor(now.start)));
        all.set('to', String(Math.ceil(now.end)));
        url.hash = `${path}?${all}`;
        return url.toString();
    };
    return (
        <>
            <Top title="Explore">
                <CopyButton text={absolute} label="Share" />
                <RangePicker />
            </Top>
            <div class="page stack">
                <div class="row" style={{ alignItems: 'stretch', flexWrap: 'nowrap' }}>
                    <div class="grow"><Editor value={text} onText={setText} onRun={run} /></div>
                    <Popover title="Queries run before" button={<Icon name="clock" />} kind="icon tall-button">
                        {(close) => <Past all={past} choose={(one) => { setText(one); run(one); close(); }} clear={() => { forgetQueries(); setPast([]); close(); }} />}
                    </Popover>
                    <button type="button" class="btn primary" style={{ height: 'auto' }} onClick={() => run(text)}>Run</button>
                </div>
                <div class="card">
                    <div class="tabs" role="tablist">
                        {TABS.map(([name, title]) => <button type="button" role="tab" aria-selected={tab === name} key={name} onClick={() => tune({ tab: name })}>{title}</button>)}
                    </div>
                    <div class="body">{expr === '' ? <Start run={run} /> : <Shown expr={expr} tab={tab} key={tab} />}</div>
                </div>
            </div>
        </>
    );
}

function Start({ run }: { run: (expr: string) => void }) {
    const ideas = ['sum by (loop_type) (active_loops)', 'sum by (model) (rate(llm_tokens_total[5m]))', 'topk(10, count by (__name__) ({__name__!=""}))', 'sum by (le) (rate(loop_execution_duration_seconds_bucket[5m]))'];
    return (
        <Empty title="Ask something in PromQL">
            <span class="stack" style={{ gap: '5px' }}>{ideas.map((one) => <button type="button" class="link mono" key={one} onClick={() => run(one)}>{one}</button>)}</span>
        </Empty>
    );
}

function Past({ all, choose, clear }: { all: string[]; choose: (expr: string) => void; clear: () => void }) {
    if (all.length === 0) return <p class="faint" style={{ width: '240px' }}>Queries that you run are listed here, in this browser alone.</p>;
    return (
        <div class="stack" style={{ width: 'min(560px, 80vw)', gap: '2px', maxHeight: '60vh', overflow: 'auto' }}>
            {all.map((one) => <button type="button" class="btn plain mono clip" style={{ justifyContent: 'flex-start', flex: 'none' }} key={one} title={one} onClick={() => choose(one)}>{one}</button>)}
            <button type="button" class="link" style={{ alignSelf: 'flex-start', padding: '6px 10px' }} onClick={clear}>Forget all</button>
        </div>
    );
}

function Shown({ expr, tab }: { expr: string; tab: Tab }) {
    if (tab === 'explain') return <Explain expr={withTimes(expr, 15, 3600)} />;
    return tab === 'table' ? <TableView expr={expr} /> : <RangeView expr={expr} tab={tab} />;
}

const withTimes = (expr: string, step: number, seconds: number) => substitute(expr, {}, { step, range: seconds });

function RangeView({ expr, tab }: { expr: string; tab: Tab }) {
    const text = range.value;
    const [wide, setWide] = useState(1000);
    const ask = async (abort: AbortSignal) => {
        const now = resolve(text, Date.now() / 1000);
        if (typeof now === 'string') throw new ApiError(now, 400);
        const step = stepFor(now, tab === 'heatmap' ? 140 : Math.min(wide, 1200));
        const on = align(now, step);
        const began = performance.now();
        const frame = await askRange({ expr: withTimes(expr, step, on.end - on.start), ...on, step, points: 2 * wide, series: MOST_SERIES }, abort);
        return { frame: named(frame), range: now, step, seconds: (performance.now() - began) / 1000 };
    };
    const every = text.to === 'now' ? refresh.value * 1000 : 0;
    const { data, error, waiting } = useCall(ask, [expr, tab, text.from, text.to], every);
    if (!data) return <Pending waiting={waiting} error={error} />;
    return (
        <div class="stack" ref={(el) => { if (el && Math.abs(el.clientWidth - wide) > 200) setWide(el.clientWidth); }}>
            <Summary frame={data.frame} step={data.step} seconds={data.seconds} />
            {error && <div class="notice">{error.message}</div>}
            {data.frame.warnings.map((w) => <div class="notice" key={w}>{w}</div>)}
            <Picture frame={data.frame} range={data.range} tab={tab} />
        </div>
    );
}

function named(frame: Frame): Frame {
    return { ...frame, columns: frame.columns.map((c) => ({ ...c, name: seriesText(c.labels) })) };
}

function Summary({ frame, step, seconds }: { frame: Frame; step: number; seconds: number }) {
    const points = useMemo(() => frame.columns.length * frame.times.length, [frame]);
    return (
        <p class="faint num">
            {exact(frame.columns.length)} series{frame.left > 0 ? ` (${exact(frame.left)} more are left out)` : ''}, {exact(points)} points, step {durationText(step)}, answered in {(seconds * 1000).toFixed(0)} ms
        </p>
    );
}

function Picture({ frame, range: shown, tab }: { frame: Frame; range: Range; tab: Tab }) {
    if (frame.columns.length === 0) return <Empty title="No samples in this range" run="plimsoll labels __name__">The metrics that there are:</Empty>;
    const heat = tab === 'heatmap';
    if (heat && frame.columns.every((c) => c.labels.le === undefined)) {
        return <Empty title="A heat map needs buckets" run={`sum by (le) (rate(NAME_bucket[${rateInterval(15)}s]))`}>Series of a histogram, with the label <code>le</code>:</Empty>;
    }
    return (
        <div style={{ height: 'min(56vh, 520px)', display: 'flex', flexDirection: 'column' }}>
            {heat ? <HeatMap frame={frame} /> : <Lines frame={frame} start={shown.start} end={shown.end} onZoom={zoomTo} />}
        </div>
    );
}

function TableView({ expr }: { expr: string }) {
    const text = range.value;
    const ask = async (abort: AbortSignal) => {
        const now = resolve(text, Date.now() / 1000);
        if (typeof now === 'string') throw new ApiError(now, 400);
        return post<Answer>('/api/v1/query', { query: withTimes(expr, 15, now.end - now.start), time: now.end }, abort);
    };
    const { data, error, waiting } = useCall(ask, [expr, text.from, text.to], text.to === 'now' ? refresh.value * 1000 : 0);
    if (!data) return <Pending waiting={waiting} error={error} />;
    if (data.resultType === 'scalar' || data.resultType === 'string') return <p class="mono num" style={{ fontSize: '20px' }}>{String(data.result[1])}</p>;
    const rows = data.result as RawSeries[];
    if (rows.length === 0) return <Empty title="No samples at this time" run="plimsoll labels __name__">The metrics that there are:</Empty>;
    return (
        <div class="scroll">
            <table>
                <thead><tr><th>Series</th><th class="right">Value</th></tr></thead>
                <tbody>
                    {rows.slice(0, MOST_ROWS).map((s) => (
                        <tr key={seriesText(s.metric)}>
                            <td><b class="mono">{s.metric.__name__ ?? ''}</b> <LabelSet labels={s.metric} skip={['__name__']} /></td>
                            <td class="right mono">{valueText(s)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
            <p class="faint" style={{ padding: '6px 10px' }}>{rows.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${rows.length} series.` : `${rows.length} series.`}</p>
        </div>
    );
}

function valueText(series: RawSeries): string {
    if (series.value) return series.value[1];
    if (series.histogram) return `count ${series.histogram[1].count}, sum ${series.histogram[1].sum}`;
    const values = series.values ?? [];
    return values.slice(-20).map(([t, v]) => `${v} @${t}`).join('\n') + (values.length > 20 ? `\n${values.length - 20} before` : '');
}
