// Time range and refresh, as the pages that show time have them on top.

import { useState } from 'preact/hooks';
import { QUICK, rangeTitle, resolve } from '../data/time';
import { Icon } from './icons';
import { Popover } from './parts';
import { range, refresh, setRange } from './range';
import { reloads, tune } from './state';

const EVERY = [0, 5, 10, 30, 60];

export function RangePicker({ live = false }: { live?: boolean }) {
    const now = range.value;
    return (
        <div class="row" style={{ flexWrap: 'nowrap' }}>
            <Popover title="Time range" button={<><Icon name="clock" /><span>{rangeTitle(now)}</span></>}>
                {(close) => <Choices close={close} />}
            </Popover>
            {live ? null : (
                <>
                    <button type="button" class="btn icon" title="Refresh (.)" aria-label="Refresh" onClick={() => reloads.value++}><Icon name="refresh" /></button>
                    <select class="wide" aria-label="Refresh every" value={String(refresh.value)} onChange={(e) => tune({ refresh: e.currentTarget.value })}>
                        {EVERY.map((s) => <option value={String(s)} key={s}>{s === 0 ? 'no refresh' : `every ${s} s`}</option>)}
                    </select>
                </>
            )}
        </div>
    );
}

function Choices({ close }: { close: () => void }) {
    const [from, setFrom] = useState(range.value.from);
    const [to, setTo] = useState(range.value.to);
    const [wrong, setWrong] = useState('');
    const apply = (e: Event) => {
        e.preventDefault();
        const found = resolve({ from, to }, Date.now() / 1000);
        if (typeof found === 'string') return setWrong(found);
        setRange({ from, to });
        close();
    };
    const quick = (start: string) => {
        setRange({ from: start, to: 'now' });
        close();
    };
    return (
        <div style={{ display: 'flex', gap: '14px' }}>
            <div class="stack" style={{ gap: '2px' }}>
                {QUICK.map(([start, title]) => <button type="button" class="btn plain" style={{ justifyContent: 'flex-start' }} key={start} onClick={() => quick(start)}>{title}</button>)}
            </div>
            <form class="stack" style={{ width: '190px' }} onSubmit={apply}>
                <label class="field">From<input value={from} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
                <label class="field">To<input value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
                {wrong && <p class="bad">{wrong}</p>}
                <button type="submit" class="btn primary">Apply</button>
                <p class="faint">now-1h, 2026-01-31 12:00 or Unix seconds. Drag over a graph to zoom.</p>
            </form>
        </div>
    );
}
