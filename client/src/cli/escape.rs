//! Text of others on the terminal: the words for it that the commands use.

use std::borrow::Cow;

/// `text` with hostile characters as `\n`, `\t`, `\x1b`, `\u{202e}`. For tables, CSV and messages.
pub(super) fn terminal(text: &str) -> Cow<'_, str> {
    plimsoll_model::visible(text)
}

/// `text` as a field of CSV (RFC 4180): escaped as for a terminal, quoted where it must be.
pub(super) fn csv(text: &str) -> Cow<'_, str> {
    plimsoll_model::csv_field(text)
}

/// `text` in a cell of Markdown.
pub(super) fn markdown(text: &str) -> String {
    plimsoll_model::markdown_text(text)
}

/// `text` between tags.
pub(super) fn html(text: &str) -> String {
    plimsoll_model::html_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_instead() {
        let cases = [
            ("plain é 漢", "plain é 漢"),
            ("a\x1b[2Jb", "a\\x1b[2Jb"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("\u{9b}31m", "\\x9b31m"),
        ];
        for (text, shown) in cases {
            assert_eq!(terminal(text), shown);
        }
    }

    #[test]
    fn csv_fields_are_quoted_only_where_they_must_be() {
        for (text, field) in
            [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "a\\nb"), ("", "")]
        {
            assert_eq!(csv(text), field);
        }
    }
}
