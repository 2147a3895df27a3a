// Budgets: what may be spent, what is, and where it goes from here.

import { get } from '../api/client';
import { useCall } from '../api/use';
import { format } from '../data/units';
import { Card, Empty, Pending, Tag } from '../shell/parts';
import { Top } from '../shell/top';

interface Budget {
    name: string;
    limit_usd: number;
    period: string;
    spent_usd: number;
    burn_rate: number | null;
    forecast_usd: number | null;
    period_end_ms?: number;
    selector?: string;
    [more: string]: unknown;
}

export function Budgets() {
    const { data, error, waiting } = useCall((abort) => get<Budget[] | { budgets: Budget[] }>('/api/v1/budgets', {}, abort), [], 15_000);
    const all = Array.isArray(data) ? data : (data?.budgets ?? []);
    return (
        <>
            <Top title="Budgets" sub="Spending against limits" />
            <div class="page">
                {!data && error?.status !== 404 ? <Pending waiting={waiting} error={error} /> : all.length === 0 ? (
                    <Empty title="No budget yet" run={'plimsoll budget set all --limit 500 --period month'}>A budget is a limit in dollars for a period. It becomes series and alerts.</Empty>
                ) : (
                    <div style={{ display: 'grid', gap: '10px', gridTemplateColumns: 'repeat(auto-fill, minmax(min(330px, 100%), 1fr))' }}>{all.map((b) => <One budget={b} key={b.name} />)}</div>
                )}
            </div>
        </>
    );
}

function One({ budget: b }: { budget: Budget }) {
    const share = b.limit_usd > 0 ? b.spent_usd / b.limit_usd : 0;
    const forecast = b.forecast_usd ?? null;
    const level = share >= 1 ? 'bad' : share >= 0.8 || (forecast !== null && forecast > b.limit_usd) ? 'warn' : 'good';
    const word = { bad: 'spent', warn: share >= 0.8 ? 'nearly spent' : 'will not last', good: 'on course' }[level];
    return (
        <Card title={b.name} tools={<Tag kind={level}>{word}</Tag>}>
            <div class="body stack" style={{ gap: '8px' }}>
                <div class="row"><span style={{ fontSize: '22px', fontWeight: 560 }} class="num">{format(b.spent_usd, 'usd')}</span><span class="soft num">of {format(b.limit_usd, 'usd')} a {b.period}</span></div>
                <div class="bar" style={{ display: 'block', minHeight: 0 }}><div class="track"><span class="fill" style={{ width: `${Math.min(100, share * 100)}%`, background: `var(--${level})` }} /></div></div>
                <div class="row soft num" style={{ justifyContent: 'space-between' }}>
                    <span>{format(share, 'percent')} used</span>
                    <span title="1 uses it up exactly at the end of the period">burn rate {b.burn_rate === null || b.burn_rate === undefined ? '–' : format(b.burn_rate, 'count')}</span>
                    <span>forecast {format(forecast, 'usd')}</span>
                </div>
                {b.selector && <code class="faint">{b.selector}</code>}
            </div>
        </Card>
    );
}
