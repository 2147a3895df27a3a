// The pages, in the order of the side bar.

export interface PageEntry {
    path: string;
    title: string;
    icon: string;
    /** After `g`. */
    key: string;
}

export const GROUPS: ReadonlyArray<[string, PageEntry[]]> = [
    ['Observe', [
        { path: 'overview', title: 'Overview', icon: 'overview', key: 'o' },
        { path: 'dashboards', title: 'Dashboards', icon: 'dashboards', key: 'd' },
        { path: 'explore', title: 'Explore', icon: 'explore', key: 'e' },
        { path: 'reports', title: 'Reports', icon: 'reports', key: 'p' },
        { path: 'budgets', title: 'Budgets', icon: 'budgets', key: 'b' },
    ]],
    ['Alerting', [
        { path: 'alerts', title: 'Alerts', icon: 'alerts', key: 'a' },
        { path: 'rules', title: 'Rules', icon: 'rules', key: 'r' },
    ]],
    ['Operate', [
        { path: 'cluster', title: 'Cluster', icon: 'cluster', key: 'c' },
        { path: 'cardinality', title: 'Cardinality', icon: 'cardinality', key: 'l' },
        { path: 'queries', title: 'Queries', icon: 'queries', key: 'q' },
        { path: 'targets', title: 'Targets', icon: 'targets', key: 's' },
        { path: 'tokens', title: 'Tokens', icon: 'tokens', key: 't' },
    ]],
];

export const PAGES: PageEntry[] = GROUPS.flatMap(([, pages]) => pages);
