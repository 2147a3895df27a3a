// Rule groups: what is evaluated, when, and how it went.

import { useState } from 'preact/hooks';
import { get } from '../api/client';
import type { Rule, RuleGroup } from '../api/types';
import { useCall } from '../api/use';
import { ago, durationText } from '../data/time';
import { format } from '../data/units';
import { Card, Empty, LabelSet, Pending, Tag } from '../shell/parts';
import { href } from '../shell/state';
import { Top } from '../shell/top';

export function Rules() {
    const { data, error, waiting } = useCall((abort) => get<{ groups: RuleGroup[] }>('/api/v1/rules', {}, abort), [], 15_000);
    const [words, setWords] = useState('');
    const [broken, setBroken] = useState(false);
    const fits = (r: Rule) => (!broken || r.health === 'err') && `${r.name} ${r.query}`.toLowerCase().includes(words.toLowerCase());
    const groups = (data?.groups ?? []).map((g) => ({ ...g, rules: g.rules.filter(fits) })).filter((g) => g.rules.length > 0);
    return (
        <>
            <Top title="Rules" sub={data ? `${data.groups.length} groups, ${data.groups.reduce((n, g) => n + g.rules.length, 0)} rules` : ''}>
                <input data-search placeholder="Search" aria-label="Search rules" value={words} onInput={(e) => setWords(e.currentTarget.value)} />
                <button type="button" class="btn" aria-pressed={broken} onClick={() => setBroken(!broken)}>{broken ? 'All rules' : 'Failed only'}</button>
            </Top>
            <div class="page stack">
                {!data ? <Pending waiting={waiting} error={error} /> : data.groups.length === 0 ? (
                    <Card><Empty title="No rules yet" run={'plimsoll rules put rules.yml'}>Recording and alerting rules in Prometheus' YAML:</Empty></Card>
                ) : groups.length === 0 ? <Card><Empty title="No rule fits" /></Card> : groups.map((g) => <Group group={g} key={`${g.file} ${g.name}`} />)}
            </div>
        </>
    );
}

function Group({ group: g }: { group: RuleGroup }) {
    return (
        <Card title={<>{g.name} <span class="faint" style={{ fontWeight: 400 }}>{g.file}</span></>} tools={<span class="faint num">every {durationText(g.interval)}{g.evaluationTime === undefined ? '' : `, took ${format(g.evaluationTime, 's')}`}</span>}>
            {g.rules.map((r) => <One rule={r} key={`${r.name} ${r.query}`} />)}
        </Card>
    );
}

function One({ rule: r }: { rule: Rule }) {
    const kind = r.health === 'err' ? 'bad' : r.state === 'firing' ? 'warn' : r.health === 'ok' ? 'good' : '';
    const word = r.health === 'err' ? 'failed' : (r.state ?? r.health);
    return (
        <div class="item">
            <div class="row">
                <Tag kind={kind}>{word}</Tag>
                <b>{r.name}</b>
                <span class="faint">{r.type === 'alerting' ? 'alert' : 'record'}{r.duration ? ` for ${durationText(r.duration)}` : ''}</span>
                <span class="grow" />
                {r.lastEvaluation && !r.lastEvaluation.startsWith('0001') && <span class="faint num">{ago(Date.parse(r.lastEvaluation) / 1000, Date.now() / 1000)}</span>}
            </div>
            <a class="mono query" href={href('explore', { expr: r.query })} title="Open in Explore">{r.query}</a>
            {r.labels && Object.keys(r.labels).length > 0 && <LabelSet labels={r.labels} />}
            {r.lastError && <div class="notice bad">{r.lastError}</div>}
        </div>
    );
}
