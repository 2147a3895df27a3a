// Who makes the series: metrics, labels and pairs, of all series or of a selection.

import { useState } from 'preact/hooks';
import { get } from '../api/client';
import { useCall } from '../api/use';
import { exact, format } from '../data/units';
import { Card, Empty, Pending } from '../shell/parts';
import { href, place, tune } from '../shell/state';
import { Top } from '../shell/top';

interface Found {
    series: number;
    metrics: Array<{ name: string; series: number }>;
    labels: Array<{ name: string; values: number }>;
    pairs: Array<{ name: string; value: string; series: number }>;
}

export function CardinalityPage() {
    const selector = place.value.query.get('match') ?? '';
    const [text, setText] = useState(selector);
    const { data, error, waiting } = useCall((abort) => get<Found>('/api/v1/cardinality', { limit: 40, 'match[]': selector ? [selector] : undefined }, abort), [selector], 30_000);
    const look = (next: string) => {
        setText(next);
        tune({ match: next || undefined });
    };
    return (
        <>
            <Top title="Cardinality" sub={data ? `${exact(data.series)} series${selector ? ' of the selection' : ''}` : ''}>
                <form class="row" style={{ flexWrap: 'nowrap' }} onSubmit={(e) => { e.preventDefault(); look(text.trim()); }}>
                    <input data-search class="mono" style={{ width: 'min(340px, 50vw)' }} placeholder='{job="agents"}' aria-label="Selector" value={text} onInput={(e) => setText(e.currentTarget.value)} />
                    <button type="submit" class="btn">Look</button>
                    {selector && <button type="button" class="btn plain" onClick={() => look('')}>All</button>}
                </form>
            </Top>
            <div class="page">
                {!data ? <Pending waiting={waiting} error={error} /> : data.series === 0 ? <Card><Empty title="There are no series here" run="plimsoll env prometheus">Send samples, for example from Prometheus:</Empty></Card> : <Lists found={data} look={look} />}
            </div>
        </>
    );
}

function Lists({ found, look }: { found: Found; look: (selector: string) => void }) {
    const pick = (name: string, value: string) => `{${name}=${JSON.stringify(value)}}`;
    return (
        <div style={{ display: 'grid', gap: '10px', gridTemplateColumns: 'repeat(auto-fit, minmax(min(360px, 100%), 1fr))', alignItems: 'start' }}>
            <Ranked title="Metrics" note="series" rows={found.metrics.map((m) => ({ name: m.name, count: m.series, go: () => look(pick('__name__', m.name)), to: href('explore', { expr: `count by (job) (${pick('__name__', m.name)})`, tab: 'table' }) }))} of={found.series} />
            <Ranked title="Labels" note="values" rows={found.labels.map((l) => ({ name: l.name, count: l.values, go: () => look(`{${l.name}!=""}`), to: href('explore', { expr: `topk(50, count by (${l.name}) ({${l.name}!=""}))`, tab: 'table' }) }))} of={Math.max(1, ...found.labels.map((l) => l.values))} />
            <Ranked title="Labels with a value" note="series" rows={found.pairs.map((p) => ({ name: `${p.name}="${p.value}"`, count: p.series, go: () => look(pick(p.name, p.value)), to: href('explore', { expr: `topk(50, count by (__name__) (${pick(p.name, p.value)}))`, tab: 'table' }) }))} of={found.series} />
        </div>
    );
}

interface Ranking {
    name: string;
    count: number;
    go: () => void;
    to: string;
}

function Ranked({ title, note, rows, of }: { title: string; note: string; rows: Ranking[]; of: number }) {
    return (
        <Card title={title} tools={<span class="faint">{note}</span>}>
            <div class="body bars">
                {rows.map((r) => (
                    <div class="bar" key={r.name}>
                        <button type="button" class="link clip mono" style={{ textAlign: 'left', color: 'var(--text)' }} title={`Only series with ${r.name}`} onClick={r.go}>{r.name}</button>
                        <span class="track"><span class="fill" style={{ width: `${Math.min(100, (r.count / of) * 100)}%` }} /></span>
                        <a class="num" href={r.to} title="Open in Explore">{format(r.count, 'count')}</a>
                    </div>
                ))}
            </div>
        </Card>
    );
}
