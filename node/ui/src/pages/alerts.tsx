// Alerts that are pending or fire, and silences.

import { useState } from 'preact/hooks';
import { ApiError, get, send, sendJson } from '../api/client';
import type { Alert, Matcher, Silence } from '../api/types';
import { useCall } from '../api/use';
import { type Labels, seriesText } from '../data/frame';
import { matches, parseMatchers } from '../data/matchers';
import { ago, parseDuration } from '../data/time';
import { Icon } from '../shell/icons';
import { Card, Dialog, Empty, LabelSet, Pending, Tag } from '../shell/parts';
import { Top } from '../shell/top';

const PATH = '/api/v1/silences';

/** Alertmanager's API answers a bare list. */
async function silences(abort: AbortSignal): Promise<Silence[]> {
    const body = (await (await send(PATH, { signal: abort })).json()) as Silence[] | { data: Silence[] };
    return Array.isArray(body) ? body : body.data;
}

export function Alerts() {
    const alerts = useCall((abort) => get<{ alerts: Alert[] }>('/api/v1/alerts', {}, abort), [], 10_000);
    const silenced = useCall(silences, [], 10_000);
    const [making, setMaking] = useState<Labels | undefined>();
    const [words, setWords] = useState('');
    const all = (alerts.data?.alerts ?? []).filter((a) => seriesText(a.labels).toLowerCase().includes(words.toLowerCase()));
    const firing = all.filter((a) => a.state === 'firing');
    const others = all.filter((a) => a.state !== 'firing');
    const active = (silenced.data ?? []).filter((s) => s.status?.state !== 'expired' && Date.parse(s.endsAt) > Date.now());
    return (
        <>
            <Top title="Alerts" sub={alerts.data ? `${firing.length} firing, ${others.length} pending` : ''}>
                <input data-search placeholder="Search labels" aria-label="Search labels" value={words} onInput={(e) => setWords(e.currentTarget.value)} />
                {silenced.data && <button type="button" class="btn" onClick={() => setMaking({})}><Icon name="plus" />Silence</button>}
            </Top>
            <div class="page stack">
                {!alerts.data ? <Pending waiting={alerts.waiting} error={alerts.error} /> : all.length === 0 ? (
                    <Card><Empty title={words ? 'No alert has these labels' : 'Nothing fires and nothing is pending'} run={words ? undefined : 'plimsoll rules list'}>{words ? undefined : 'The rules that could fire:'}</Empty></Card>
                ) : (
                    <Card>{[...firing, ...others].map((a) => <One alert={a} silence={silenced.data ? () => setMaking(a.labels) : undefined} muted={active.some((s) => matches(s.matchers, a.labels))} key={seriesText(a.labels)} />)}</Card>
                )}
                <Card title="Silences">
                    {silenced.error?.status === 404 ? <Empty title="This node keeps no silences" /> : !silenced.data ? <div class="body"><Pending waiting={silenced.waiting} error={silenced.error} /></div> : active.length === 0 ? <Empty title="No silence holds">A silence keeps alerts with certain labels quiet for a while.</Empty> : active.map((s) => <Held silence={s} gone={silenced.reload} key={s.id} />)}
                </Card>
            </div>
            {making && <Make labels={making} close={() => setMaking(undefined)} done={silenced.reload} />}
        </>
    );
}

function One({ alert: a, silence, muted }: { alert: Alert; silence: (() => void) | undefined; muted: boolean }) {
    const severity = a.labels.severity ?? '';
    const kind = a.state === 'firing' ? (/page|crit/.test(severity) ? 'bad' : 'warn') : '';
    return (
        <div class="item">
            <div class="row">
                <Tag kind={kind}>{a.state}</Tag>
                <b>{a.labels.alertname}</b>
                {severity && <span class="soft">{severity}</span>}
                {muted && <Tag>silenced</Tag>}
                <span class="grow" />
                {a.activeAt && <span class="faint num">since {ago(Date.parse(a.activeAt) / 1000, Date.now() / 1000)}</span>}
                <span class="soft num mono">{a.value}</span>
                {silence && !muted && <button type="button" class="btn" onClick={silence}>Silence</button>}
            </div>
            {a.annotations.summary && <p>{a.annotations.summary}</p>}
            {a.annotations.description && <p class="soft">{a.annotations.description}</p>}
            <LabelSet labels={a.labels} skip={['alertname', 'severity']} />
        </div>
    );
}

const sign = (m: Matcher) => `${m.isEqual === false ? '!' : m.isRegex ? '=' : ''}${m.isRegex ? '~' : '='}`;

function Held({ silence: s, gone }: { silence: Silence; gone: () => void }) {
    const [wrong, setWrong] = useState('');
    const end = async () => {
        try {
            await sendJson('DELETE', `${PATH}/${encodeURIComponent(s.id)}`);
            gone();
        } catch (e) {
            setWrong(e instanceof ApiError ? e.message : String(e));
        }
    };
    return (
        <div class="item">
            <div class="row">
                <span class="labels">{s.matchers.map((m) => <span class="label" key={`${m.name}${m.value}`}>{m.name}{sign(m)}<b>{m.value}</b></span>)}</span>
                <span class="grow" />
                <span class="faint">ends {ago(Date.parse(s.endsAt) / 1000, Date.now() / 1000)}</span>
                <button type="button" class="btn danger" onClick={() => void end()}>End</button>
            </div>
            <p class="soft">{s.comment}{s.comment && s.createdBy ? ', ' : ''}{s.createdBy}</p>
            {wrong && <div class="notice bad">{wrong}</div>}
        </div>
    );
}

function Make({ labels, close, done }: { labels: Labels; close: () => void; done: () => void }) {
    const [text, setText] = useState(Object.entries(labels).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join('\n'));
    const [length, setLength] = useState('2h');
    const [by, setBy] = useState('');
    const [comment, setComment] = useState('');
    const [wrong, setWrong] = useState('');
    const make = async (e: Event) => {
        e.preventDefault();
        const matchers = parseMatchers(text);
        const seconds = parseDuration(length);
        if (typeof matchers === 'string') return setWrong(matchers);
        if (seconds === undefined || seconds <= 0) return setWrong('a length is written 30m, 2h or 1d');
        try {
            const now = Date.now();
            await sendJson('POST', PATH, { matchers, startsAt: new Date(now).toISOString(), endsAt: new Date(now + seconds * 1000).toISOString(), createdBy: by, comment });
            done();
            close();
        } catch (e) {
            setWrong(e instanceof ApiError ? e.message : String(e));
        }
    };
    return (
        <Dialog title="Silence alerts" close={close}>
            <form class="stack" onSubmit={(e) => void make(e)}>
                <label class="field">Labels, one a line: name="value", name=~"expression", name!="value"<textarea class="mono" rows={5} value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
                <div class="row">
                    <label class="field">For<input value={length} onInput={(e) => setLength(e.currentTarget.value)} style={{ width: '80px' }} /></label>
                    <label class="field grow">Who<input value={by} required onInput={(e) => setBy(e.currentTarget.value)} /></label>
                </div>
                <label class="field">Why<input value={comment} required onInput={(e) => setComment(e.currentTarget.value)} /></label>
                {wrong && <div class="notice bad">{wrong}</div>}
                <button type="submit" class="btn primary" style={{ alignSelf: 'flex-start' }}>Silence</button>
            </form>
        </Dialog>
    );
}
