// Queries that run now, with a way to end them, and the slowest of the past. Each node has its own.

import { useState } from 'preact/hooks';
import { ApiError, get, post } from '../api/client';
import type { ActiveQuery, SlowQuery } from '../api/types';
import { useCall } from '../api/use';
import { ago, durationText } from '../data/time';
import { format } from '../data/units';
import { Card, Empty, Pending, Table, Tag } from '../shell/parts';
import { href } from '../shell/state';
import { Top } from '../shell/top';

export function Queries() {
    const { data, error, waiting, reload } = useCall((abort) => get<{ active: ActiveQuery[]; slow: SlowQuery[] }>('/api/v1/queries', {}, abort), [], 2000);
    const [wrong, setWrong] = useState('');
    const cancel = async (id: number) => {
        try {
            await post(`/api/v1/queries/${id}/cancel`);
            setWrong('');
        } catch (e) {
            setWrong(e instanceof ApiError ? e.message : String(e));
        }
        reload();
    };
    return (
        <>
            <Top title="Queries" sub="of the node that serves this page" />
            <div class="page stack">
                {wrong && <div class="notice bad" role="alert">{wrong}</div>}
                {!data ? <Pending waiting={waiting} error={error} /> : (
                    <>
                        <Card title="Running">
                            {data.active.length === 0 ? <Empty title="No query runs at this moment" /> : (
                                <Table rows={data.active} keyOf={(q) => String(q.id)} first="Time" columns={[
                                    { title: 'Query', cell: (q) => <Text query={q} /> },
                                    { title: 'Span', cell: (q) => span(q), tight: true },
                                    { title: 'Asked by', cell: (q) => <span class="soft">{q.origin}</span> },
                                    { title: 'Time', cell: (q) => format(q.seconds, 's'), by: (q) => q.seconds, right: true },
                                    { title: '', cell: (q) => <button type="button" class="btn danger" onClick={() => void cancel(q.id)}>Cancel</button>, right: true },
                                ]} />
                            )}
                        </Card>
                        <Card title="Slowest" tools={<span class="faint">100 ms and longer</span>}>
                            {data.slow.length === 0 ? <Empty title="No query has taken 100 ms since this node started" /> : (
                                <Table rows={data.slow} keyOf={(q) => `${q.ended_ms} ${q.query} ${q.seconds}`} first="Time" columns={[
                                    { title: 'Query', cell: (q) => <Text query={q} /> },
                                    { title: 'Span', cell: (q) => span(q), tight: true },
                                    { title: 'Asked by', cell: (q) => <span class="soft">{q.origin}</span> },
                                    { title: 'Outcome', cell: (q) => (q.outcome === 'ok' ? <span class="soft">ok</span> : <Tag kind="warn">{q.outcome}</Tag>) },
                                    { title: 'Ended', cell: (q) => ago(q.ended_ms / 1000, Date.now() / 1000), by: (q) => q.ended_ms, right: true },
                                    { title: 'Time', cell: (q) => format(q.seconds, 's'), by: (q) => q.seconds, right: true },
                                ]} />
                            )}
                        </Card>
                    </>
                )}
            </div>
        </>
    );
}

function Text({ query: q }: { query: { query: string; start: number; end: number } }) {
    const range = q.start === q.end ? {} : { from: String(Math.floor(q.start / 1000)), to: String(Math.ceil(q.end / 1000)) };
    return <a class="mono query" href={href('explore', { expr: q.query, ...range })}>{q.query}</a>;
}

function span(q: { start: number; end: number; step: number }): string {
    return q.step === 0 ? 'one moment' : `${durationText((q.end - q.start) / 1000)} by ${durationText(q.step / 1000)}`;
}
