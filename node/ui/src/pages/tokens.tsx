// Tokens of the API: made, listed, revoked. The text of a new one is shown once.

import { useState } from 'preact/hooks';
import { ApiError, get, sendJson } from '../api/client';
import type { Token } from '../api/types';
import { useCall } from '../api/use';
import { ago, parseDuration } from '../data/time';
import { Icon } from '../shell/icons';
import { Card, CopyButton, Dialog, Empty, Pending, Table, Tag } from '../shell/parts';
import { Top } from '../shell/top';

export function Tokens() {
    const { data, error, waiting, reload } = useCall((abort) => get<Token[]>('/api/v1/tokens', {}, abort), [], 30_000);
    const [making, setMaking] = useState(false);
    const [wrong, setWrong] = useState('');
    const now = Date.now() / 1000;
    const revoke = async (name: string) => {
        if (!confirm(`Revoke the token “${name}”? Whoever uses it is shut out at once.`)) return;
        try {
            await sendJson('DELETE', `/api/v1/tokens/${encodeURIComponent(name)}`);
            setWrong('');
        } catch (e) {
            setWrong(e instanceof ApiError ? e.message : String(e));
        }
        reload();
    };
    return (
        <>
            <Top title="Tokens" sub="Who may do what">
                <button type="button" class="btn" onClick={() => setMaking(true)}><Icon name="plus" />New token</button>
            </Top>
            <div class="page stack">
                {wrong && <div class="notice bad" role="alert">{wrong}</div>}
                {error?.status === 403 ? <Card><Empty title="Tokens are for administrators">{error.message}</Empty></Card> : !data ? <Pending waiting={waiting} error={error} /> : (
                    <Card>
                        {data.length === 0 ? <Empty title="No tokens" run="plimsoll token create NAME --role read">Anybody who reaches this node may use it, unless `access.tokens` is on.</Empty> : (
                            <Table rows={data} keyOf={(t) => t.name} columns={[
                                { title: 'Name', cell: (t) => <b>{t.name}</b>, by: (t) => t.name },
                                { title: 'Role', cell: (t) => <Tag kind={t.role === 'admin' ? 'warn' : ''}>{t.role}</Tag>, by: (t) => t.role },
                                { title: 'Made', cell: (t) => ago(t.created_ms / 1000, now), by: (t) => t.created_ms },
                                { title: 'Ends', cell: (t) => (t.expires_ms === null ? <span class="faint">never</span> : <span class={t.expires_ms / 1000 < now ? 'bad' : ''}>{ago(t.expires_ms / 1000, now)}</span>), by: (t) => t.expires_ms ?? Number.POSITIVE_INFINITY },
                                { title: '', cell: (t) => <button type="button" class="btn danger" onClick={() => void revoke(t.name)}>Revoke</button>, right: true },
                            ]} />
                        )}
                    </Card>
                )}
            </div>
            {making && <Make close={() => setMaking(false)} done={reload} />}
        </>
    );
}

function Make({ close, done }: { close: () => void; done: () => void }) {
    const [name, setName] = useState('');
    const [role, setRole] = useState('read');
    const [ends, setEnds] = useState('90d');
    const [wrong, setWrong] = useState('');
    const [made, setMade] = useState('');
    const make = async (e: Event) => {
        e.preventDefault();
        const seconds = ends.trim() === '' ? undefined : parseDuration(ends.trim());
        if (ends.trim() !== '' && seconds === undefined) return setWrong('write 30d or 12h, or leave it empty for never');
        try {
            const token = await sendJson<{ token: string }>('POST', '/api/v1/tokens', { name, role, expires_seconds: seconds === undefined ? undefined : Math.round(seconds) });
            setMade(token.token);
            done();
        } catch (e) {
            setWrong(e instanceof ApiError ? e.message : String(e));
        }
    };
    if (made) {
        return (
            <Dialog title={`Token ${name}`} close={close}>
                <p>It is shown this once and kept nowhere.</p>
                <pre class="card" style={{ padding: '10px', margin: 0, overflowX: 'auto' }}>{made}</pre>
                <CopyButton text={() => made} label="Copy" />
            </Dialog>
        );
    }
    return (
        <Dialog title="New token" close={close}>
            <form class="stack" onSubmit={(e) => void make(e)}>
                <label class="field">Name<input value={name} required onInput={(e) => setName(e.currentTarget.value)} /></label>
                <label class="field">Role<select value={role} onChange={(e) => setRole(e.currentTarget.value)}><option value="read">read: asks, changes nothing</option><option value="write">write: sends samples, sees nothing</option><option value="admin">admin: everything</option></select></label>
                <label class="field">Ends after<input value={ends} onInput={(e) => setEnds(e.currentTarget.value)} placeholder="never" /></label>
                {wrong && <div class="notice bad">{wrong}</div>}
                <button type="submit" class="btn primary" style={{ alignSelf: 'flex-start' }}>Make</button>
            </form>
        </Dialog>
    );
}
