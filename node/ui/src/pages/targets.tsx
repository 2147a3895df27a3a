// Scrape targets and how their last scrape went.

import { useState } from 'preact/hooks';
import { get } from '../api/client';
import type { Target } from '../api/types';
import { useCall } from '../api/use';
import { ago } from '../data/time';
import { format } from '../data/units';
import { Card, Empty, LabelSet, Pending, Table, Tag } from '../shell/parts';
import { Top } from '../shell/top';

export function Targets() {
    const { data, error, waiting } = useCall((abort) => get<{ activeTargets: Target[] }>('/api/v1/targets', {}, abort), [], 10_000);
    const [words, setWords] = useState('');
    const all = data?.activeTargets ?? [];
    const shown = all.filter((t) => `${t.scrapeUrl} ${t.scrapePool} ${Object.values(t.labels).join(' ')}`.toLowerCase().includes(words.toLowerCase()));
    const down = all.filter((t) => t.health === 'down').length;
    return (
        <>
            <Top title="Targets" sub={data ? `${all.length} targets, ${down} down` : ''}>
                <input data-search placeholder="Search" aria-label="Search targets" value={words} onInput={(e) => setWords(e.currentTarget.value)} />
            </Top>
            <div class="page">
                {!data && error?.status !== 404 ? <Pending waiting={waiting} error={error} /> : (
                    <Card>
                        {all.length === 0 ? <Empty title="Nothing is scraped" run={'plimsoll scrape apply prometheus.yml'}>Name targets in a file with Prometheus' scrape_configs:</Empty> : (
                            <Table rows={shown} keyOf={(t) => `${t.scrapePool} ${t.scrapeUrl}`} columns={[
                                { title: 'Health', cell: (t) => <Tag kind={t.health === 'up' ? 'good' : t.health === 'down' ? 'bad' : ''}>{t.health}</Tag>, by: (t) => t.health, tight: true },
                                { title: 'Job', cell: (t) => t.scrapePool, by: (t) => t.scrapePool },
                                { title: 'Target', cell: (t) => <span class="mono">{t.scrapeUrl}</span>, by: (t) => t.scrapeUrl },
                                { title: 'Labels', cell: (t) => <><LabelSet labels={t.labels} skip={['job']} />{t.lastError && <div class="bad">{t.lastError}</div>}</> },
                                { title: 'Node', cell: (t) => (t.node === undefined ? '' : `n${String(t.node).replace(/^n/, '')}`), tight: true },
                                { title: 'Scraped', cell: (t) => (Date.parse(t.lastScrape) > 0 ? ago(Date.parse(t.lastScrape) / 1000, Date.now() / 1000) : 'not yet'), right: true },
                                { title: 'Took', cell: (t) => format(t.lastScrapeDuration, 's'), by: (t) => t.lastScrapeDuration, right: true },
                            ]} />
                        )}
                    </Card>
                )}
            </div>
        </>
    );
}
