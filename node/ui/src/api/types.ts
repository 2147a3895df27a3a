// Shapes of the node's answers, as far as the pages use them.

import type { Labels, RawSeries } from '../data/frame';

export interface Answer {
    resultType: 'vector' | 'matrix' | 'scalar' | 'string';
    result: RawSeries[] | [number, string];
}

export interface ClusterNode {
    id: number;
    address: string;
    state: string;
    live: boolean;
    zone: string;
    version: string;
    voter: boolean;
    replicas: number;
    leaders: number;
    disk_bytes: number;
    disk_free_bytes: number;
    read_only: boolean;
    clock_offset_ms: number | null;
    seen_seconds: number | null;
}

export interface Shard {
    id: number;
    replicas: number[];
    voters: number[];
    learners: number[];
    leader: number | null;
    wanted_leader: number | null;
    state: 'ok' | 'moving' | 'under_replicated' | 'no_leader';
    bytes: number;
    series: number;
    epoch: number;
}

export interface Move {
    shard: number;
    to?: number;
    from?: number;
    [more: string]: unknown;
}

export interface Cluster {
    id: string;
    epoch: number;
    replication: number;
    leader: number | null;
    quorum: boolean;
    asked: number;
    rebalancing: boolean;
    nodes: ClusterNode[];
    shards: Shard[];
    moves: Move[];
}

export interface Alert {
    labels: Labels;
    annotations: Labels;
    state: string;
    activeAt?: string;
    value: string;
}

export interface Rule {
    type: 'alerting' | 'recording';
    name: string;
    query: string;
    duration?: number;
    labels?: Labels;
    annotations?: Labels;
    alerts?: Alert[];
    state?: string;
    health: string;
    lastError?: string;
    evaluationTime?: number;
    lastEvaluation?: string;
}

export interface RuleGroup {
    name: string;
    file: string;
    interval: number;
    rules: Rule[];
    evaluationTime?: number;
    lastEvaluation?: string;
}

export interface Matcher {
    name: string;
    value: string;
    isRegex?: boolean;
    isEqual?: boolean;
}

export interface Silence {
    id: string;
    matchers: Matcher[];
    startsAt: string;
    endsAt: string;
    createdBy: string;
    comment: string;
    status?: { state: string };
}

export interface ActiveQuery {
    id: number;
    seconds: number;
    query: string;
    start: number;
    end: number;
    step: number;
    origin: string;
}

export interface SlowQuery extends Omit<ActiveQuery, 'id'> {
    outcome: string;
    ended_ms: number;
}

export interface Counted {
    name: string;
    value?: string;
    series: number;
    values?: number;
}

export interface Token {
    name: string;
    role: string;
    created_ms: number;
    expires_ms: number | null;
}

export interface Target {
    labels: Labels;
    discoveredLabels?: Labels;
    scrapePool: string;
    scrapeUrl: string;
    health: string;
    lastError: string;
    lastScrape: string;
    lastScrapeDuration: number;
    node?: string | number;
}
