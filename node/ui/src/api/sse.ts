// Server-sent events (WHATWG HTML, 9.2) out of a stream of text, as far as this node sends them.

export interface ServerEvent {
    name: string;
    data: string;
}

/** Bytes of one event that are held; a longer one is a defect of the server and ends the stream. */
const MOST = 64 << 20;

/** Takes text as it comes and gives the events that are whole. */
export class EventParser {
    private rest = '';

    feed(text: string): ServerEvent[] {
        this.rest += text;
        if (this.rest.length > MOST) throw new Error('an event is longer than 64 MiB');
        const out: ServerEvent[] = [];
        for (;;) {
            const end = this.rest.indexOf('\n\n');
            if (end < 0) return out;
            const event = parse(this.rest.slice(0, end));
            this.rest = this.rest.slice(end + 2);
            if (event) out.push(event);
        }
    }
}

function parse(block: string): ServerEvent | undefined {
    let name = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
        if (line.startsWith(':')) continue;
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') name = value;
        else if (field === 'data') data.push(value);
    }
    return data.length === 0 ? undefined : { name, data: data.join('\n') };
}
