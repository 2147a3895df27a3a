// The list of dashboards, one of them, and bringing one in.

import { useState } from 'preact/hooks';
import { ApiError, get, sendJson } from '../api/client';
import type { LiveStore } from '../api/live';
import { useCall } from '../api/use';
import type { Dashboard, DashboardEntry } from '../data/dashboard';
import { ago } from '../data/time';
import { Icon } from '../shell/icons';
import { Card, Dialog, Empty, Pending, Table, Tag } from '../shell/parts';
import { RangePicker } from '../shell/picker';
import { setStandard } from '../shell/range';
import { go, href, place } from '../shell/state';
import { Top } from '../shell/top';
import { Board } from './board';
import { LiveTag } from './overview';

export function Dashboards() {
    const id = place.value.path[1];
    return id === undefined ? <List /> : <One id={id} key={id} />;
}

function List() {
    const { data, error, waiting, reload } = useCall((abort) => get<DashboardEntry[]>('/api/v1/dashboards', {}, abort), [], 30_000);
    const [importing, setImporting] = useState(false);
    const [text, setText] = useState('');
    const words = text.toLowerCase();
    const shown = (data ?? []).filter((d) => `${d.title} ${d.description} ${d.tags.join(' ')}`.toLowerCase().includes(words));
    return (
        <>
            <Top title="Dashboards">
                <input data-search placeholder="Search" aria-label="Search dashboards" value={text} onInput={(e) => setText(e.currentTarget.value)} />
                <button type="button" class="btn" onClick={() => setImporting(true)}><Icon name="upload" />Import</button>
            </Top>
            <div class="page">
                {!data ? <Pending waiting={waiting} error={error} /> : (
                    <Card>
                        <Table rows={shown} keyOf={(d) => d.id} columns={[
                            { title: 'Title', cell: (d) => <a class="link" href={href(`dashboards/${encodeURIComponent(d.id)}`)}>{d.title}</a>, by: (d) => d.title },
                            { title: 'Shows', cell: (d) => <span class="soft">{d.description}</span> },
                            { title: 'Panels', cell: (d) => d.panels, by: (d) => d.panels, right: true },
                            { title: 'Kept by', cell: (d) => (d.built_in ? <Tag>built in</Tag> : <span class="soft">{d.author ?? ''}{d.updated_ms === null ? '' : `, ${ago(d.updated_ms / 1000, Date.now() / 1000)}`}</span>) },
                        ]} />
                        {shown.length === 0 && <Empty title="No dashboard of this name" />}
                    </Card>
                )}
            </div>
            {importing && <Import close={() => setImporting(false)} done={reload} />}
        </>
    );
}

function One({ id }: { id: string }) {
    const path = `/api/v1/dashboards/${encodeURIComponent(id)}`;
    const { data, error, waiting } = useCall((abort) => get<Dashboard>(path, {}, abort), [id]);
    const [live, setLive] = useState<LiveStore | undefined>();
    setStandard({ from: data?.from ?? 'now-1h', to: 'now' });
    const save = async () => {
        const blob = new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' });
        const link = document.createElement('a');
        link.href = URL.createObjectURL(blob);
        link.download = `${id}.json`;
        link.click();
        URL.revokeObjectURL(link.href);
    };
    const remove = async () => {
        if (!confirm(`Remove the dashboard “${data?.title ?? id}” for everybody?`)) return;
        await sendJson('DELETE', path);
        go('dashboards');
    };
    return (
        <>
            <Top title={<><a class="soft" href={href('dashboards')}>Dashboards</a> / {data?.title ?? id}</>} sub={data?.description}>
                <LiveTag live={live} />
                {data && <RangePicker live={live !== undefined} />}
                {data && <button type="button" class="btn icon wide" title="Export as JSON" aria-label="Export as JSON" onClick={() => void save()}><Icon name="download" /></button>}
                {data && !data.built_in && <button type="button" class="btn icon danger wide" title="Remove" aria-label="Remove" onClick={() => void remove()}><Icon name="trash" /></button>}
            </Top>
            <div class="page">{data ? <Board dashboard={data} onLive={setLive} /> : error?.status === 404 ? <Empty title="There is no such dashboard" run="plimsoll dashboard list" /> : <Pending waiting={waiting} error={error} />}</div>
        </>
    );
}

interface Imported {
    id: string;
    title: string;
    panels: number;
    left_out: Array<{ panel: string; reason: string }>;
}

function Import({ close, done }: { close: () => void; done: () => void }) {
    const [text, setText] = useState('');
    const [wrong, setWrong] = useState('');
    const [imported, setImported] = useState<Imported | undefined>();
    const bring = async (e: Event) => {
        e.preventDefault();
        try {
            setImported(await sendJson<Imported>('POST', '/api/v1/dashboards/import', JSON.parse(text)));
            done();
        } catch (e) {
            setWrong(e instanceof ApiError ? e.message : `this is no JSON: ${(e as Error).message}`);
        }
    };
    if (imported) {
        return (
            <Dialog title="Imported" close={close}>
                <p><a class="link" href={href(`dashboards/${encodeURIComponent(imported.id)}`)}>{imported.title}</a> with {imported.panels} panels.</p>
                {imported.left_out.length > 0 && <p class="soft">Some of it cannot be shown as it was:</p>}
                {imported.left_out.map((l) => <p key={`${l.panel} ${l.reason}`}><b>{l.panel}</b> <span class="soft">{l.reason}</span></p>)}
            </Dialog>
        );
    }
    const read = async (e: Event) => {
        const file = (e.currentTarget as HTMLInputElement).files?.[0];
        if (file) setText(await file.text());
    };
    return (
        <Dialog title="Import a dashboard" close={close}>
            <form class="stack" onSubmit={(e) => void bring(e)}>
                <p class="soft">The JSON of a dashboard exported here or from Grafana. Panels that cannot be shown say why.</p>
                <input type="file" accept=".json,application/json" aria-label="File" onChange={(e) => void read(e)} style={{ height: 'auto', padding: '5px' }} />
                <textarea class="mono" rows={10} placeholder='{"title": ...}' aria-label="JSON" value={text} onInput={(e) => setText(e.currentTarget.value)} />
                {wrong && <div class="notice bad">{wrong}</div>}
                <button type="submit" class="btn primary" disabled={text.trim() === ''} style={{ alignSelf: 'flex-start' }}>Import</button>
            </form>
        </Dialog>
    );
}
