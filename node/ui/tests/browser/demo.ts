// Starts a real `plimsoll demo` for all tests, and stops it.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The program under test: of this build unless PLIMSOLL_BIN says otherwise. */
export function program(): string {
    const target = process.env.CARGO_TARGET_DIR ?? '../../target';
    const path = resolve(process.env.PLIMSOLL_BIN ?? join(target, 'release/plimsoll'));
    if (!existsSync(path)) throw new Error(`there is no ${path}: run make build first, or set PLIMSOLL_BIN`);
    return path;
}

/** A port that nobody had a moment ago. */
export function freePort(): Promise<number> {
    return new Promise((done, failed) => {
        const server = createServer();
        server.on('error', failed);
        server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            server.close(() => done(typeof address === 'object' && address ? address.port : 0));
        });
    });
}

/** Asks until `good` holds. */
export async function until(what: string, good: () => Promise<boolean>, limitMs = 60_000): Promise<void> {
    const end = Date.now() + limitMs;
    while (!(await good().catch(() => false))) {
        if (Date.now() > end) throw new Error(`no ${what} within ${limitMs / 1000} s`);
        await new Promise((next) => setTimeout(next, 200));
    }
}

/** A process of the program; `stop` ends it and takes its folder away. */
export function start(args: (folder: string) => string[], env: Record<string, string> = {}): { child: ChildProcess; folder: string; log: () => string; stop: () => Promise<void> } {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-ui-'));
    const child = spawn(program(), args(folder), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => { text = (text + part.toString()).slice(-20_000); });
    const stop = async () => {
        if (child.exitCode === null) {
            const ended = new Promise((done) => child.once('exit', done));
            child.kill('SIGTERM');
            await ended;
        }
        rmSync(folder, { recursive: true, force: true });
    };
    return { child, folder, log: () => text, stop };
}

export default async function demo(): Promise<() => Promise<void>> {
    if (process.env.PLIMSOLL_URL) return async () => undefined;
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { folder, log, stop } = start((at) => ['demo', '--nodes', '3', '--listen', `127.0.0.1:${port}`, '--data-dir', join(at, 'data')]);
    try {
        await until('demo', async () => (await fetch(`${url}/-/ready`)).ok);
        await until('live samples', async () => {
            const answer = (await (await fetch(`${url}/api/v1/query?query=sum(active_loops)`)).json()) as { data: { result: unknown[] } };
            return answer.data.result.length > 0;
        });
    } catch (e) {
        const said = log();
        await stop();
        throw new Error(`${String(e)}\n${said}`);
    }
    process.env.PLIMSOLL_URL = url;
    process.env.PLIMSOLL_DEMO = join(folder, 'data');
    return stop;
}
