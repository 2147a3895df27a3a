//! The terminal's other screen, for commands that redraw.

use std::io::Write;

/// The other screen; it is left again however the command ends.
pub(super) struct Screen;

impl Screen {
    pub fn enter() -> Self {
        print!("\x1b[?1049h\x1b[?25l");
        Self
    }

    /// Draws `text` over what was there.
    pub fn draw(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        // Home, then each line with the rest of it erased: no flicker.
        let text = text.replace('\n', "\x1b[K\n");
        write!(out, "\x1b[H{text}\x1b[K\n  Ctrl-C ends\x1b[J")?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        print!("\x1b[?25h\x1b[?1049l");
        let _ = std::io::stdout().flush();
    }
}
