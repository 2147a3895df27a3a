// Icons: 24 × 24 lines, drawn with the text's colour.

const PATHS: Record<string, string> = {
    overview: 'M3 12h4l3-8 4 16 3-8h4',
    dashboards: 'M3 3h8v10H3zM13 3h8v6h-8zM13 11h8v10h-8zM3 15h8v6H3z',
    explore: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16.5 16.5 21 21',
    reports: 'M6 2h9l4 4v16H6zM9 12h7M9 16h7M9 8h3',
    budgets: 'M12 3v18M16.5 7.5c-1-1.400-2.500-2-4.500-2-2.500 0-4.500 1.200-4.500 3.200 0 4.600 9.500 2 9.500 6.600 0 2-2 3.200-5 3.200-2.200 0-4-.8-5-2.300',
    alerts: 'M12 3a6 6 0 0 0-6 6c0 6-2 7-2 8h16c0-1-2-2-2-8a6 6 0 0 0-6-6zM10 20a2 2 0 0 0 4 0',
    rules: 'M4 6h10M4 12h7M4 18h10M17 13l2 2 3-4',
    cluster: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
    cardinality: 'M4 20V10M10 20V4M16 20v-7M22 20H2',
    queries: 'M4 5h16M4 10h16M4 15h9M4 20h6M17 15v4l3 2',
    targets: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 12h.01',
    tokens: 'M8 15a5 5 0 1 1 3.500-1.500L21 4M17 8l3 3',
    refresh: 'M20 11a8 8 0 1 0-2.300 6M20 5v6h-6',
    sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600 19 19M5 19l1.400-1.400M17.600 6.400 19 5',
    moon: 'M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500z',
    menu: 'M4 7h16M4 12h16M4 17h16',
    clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2',
    close: 'M6 6l12 12M18 6 6 18',
    share: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
    plus: 'M12 5v14M5 12h14',
    trash: 'M4 7h16M9 7V4h6v3M6 7l1 14h10l1-14',
    open: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
    download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
    upload: 'M12 16V5M7 9l5-5 5 5M4 20h16',
    help: 'M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 18h.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z',
};

export function Icon({ name }: { name: string }) {
    return (
        <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
            <path d={PATHS[name] ?? ''} />
        </svg>
    );
}

/** The load line: how deep a ship may lie in the water. */
export function Mark() {
    return (
        <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="9" fill="none" stroke="currentColor" stroke-width="2.600" />
            <path d="M2.500 16h27" stroke="var(--accent)" stroke-width="3" />
        </svg>
    );
}
