// The shell: side bar, top bar, and the page that the address names.

import { lazy, Suspense } from 'preact/compat';
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { away, loginReason } from './api/client';
import { Icon, Mark } from './shell/icons';
import { Help, helpOpen, listen, Palette, paletteOpen } from './shell/keys';
import { Login, LogOut } from './shell/login';
import { GROUPS, PAGES } from './shell/pages';
import { Empty } from './shell/parts';
import { href, place, setTheme, theme } from './shell/state';
import { Overview } from './pages/overview';

const page = <P extends object>(load: () => Promise<ComponentType<P>>) => lazy(() => load().then((one) => ({ default: one })));

const VIEWS: Record<string, ComponentType> = {
    overview: Overview,
    dashboards: page(() => import('./pages/dashboards').then((m) => m.Dashboards)),
    explore: page(() => import('./pages/explore').then((m) => m.Explore)),
    reports: page(() => import('./pages/reports').then((m) => m.Reports)),
    budgets: page(() => import('./pages/budgets').then((m) => m.Budgets)),
    alerts: page(() => import('./pages/alerts').then((m) => m.Alerts)),
    rules: page(() => import('./pages/rules').then((m) => m.Rules)),
    cluster: page(() => import('./pages/cluster').then((m) => m.ClusterPage)),
    cardinality: page(() => import('./pages/cardinality').then((m) => m.CardinalityPage)),
    queries: page(() => import('./pages/queries').then((m) => m.Queries)),
    targets: page(() => import('./pages/targets').then((m) => m.Targets)),
    tokens: page(() => import('./pages/tokens').then((m) => m.Tokens)),
};

export function App() {
    const [menu, setMenu] = useState(false);
    useEffect(listen, []);
    const at = place.value.path[0] ?? 'overview';
    useEffect(() => {
        setMenu(false);
        const entry = PAGES.find((p) => p.path === at);
        document.title = entry ? `${entry.title} · Plimsoll` : 'Plimsoll';
        scrollTo(0, 0);
    }, [at, place.value.path[1]]);
    if (loginReason.value !== undefined) return <Login />;
    const View = VIEWS[at];
    return (
        <div class="shell">
            {menu && <div class="scrim" onClick={() => setMenu(false)} />}
            <Side at={at} open={menu} />
            <div class="main" id="main">
                {away.value && <div class="notice bad" role="status" style={{ borderRadius: 0 }}>{away.value}. The pages go on by themselves when it is back.</div>}
                <MenuButton open={() => setMenu(true)} />
                <Suspense fallback={<div class="page faint">Loading…</div>}>
                    {View ? <View /> : <Empty title="There is no such page" run="#/overview" />}
                </Suspense>
            </div>
            <Palette />
            <Help />
        </div>
    );
}

/** On a phone the side bar is behind a button that every top bar leaves room for. */
function MenuButton({ open }: { open: () => void }) {
    return <button type="button" class="btn icon menu-button" style={{ position: 'fixed', left: '10px', bottom: '12px', zIndex: 45, boxShadow: 'var(--shadow)', height: '44px', width: '44px' }} aria-label="Menu" onClick={open}><Icon name="menu" /></button>;
}

function Side({ at, open }: { at: string; open: boolean }) {
    const other = theme.value === 'dark' ? 'light' : 'dark';
    return (
        <aside class={`side ${open ? 'open' : ''}`}>
            <a class="brand" href={href('overview')}><Mark />Plimsoll</a>
            <nav aria-label="Pages">
                {GROUPS.map(([title, pages]) => (
                    <div key={title}>
                        <h2>{title}</h2>
                        {pages.map((p) => <a key={p.path} href={href(p.path)} aria-current={at === p.path ? 'page' : undefined}><Icon name={p.icon} />{p.title}</a>)}
                    </div>
                ))}
            </nav>
            <div class="foot">
                <div class="row">
                    <button type="button" class="btn icon plain" title={`Turn ${other} (t)`} aria-label={`Turn ${other}`} onClick={() => setTheme(other)}><Icon name={other === 'light' ? 'sun' : 'moon'} /></button>
                    <button type="button" class="btn icon plain" title="Keys (?)" aria-label="Keys" onClick={() => { helpOpen.value = true; }}><Icon name="help" /></button>
                    <button type="button" class="btn icon plain" title="Find (Ctrl K)" aria-label="Find a page" onClick={() => { paletteOpen.value = true; }}><Icon name="explore" /></button>
                </div>
                <LogOut />
            </div>
        </aside>
    );
}
