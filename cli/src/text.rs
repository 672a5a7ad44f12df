//! Words of others on our terminal: nothing in them moves the cursor, changes a colour or turns
//! our own words around.

/// First strong isolate, closed by [`POP`]: what stands between has its own direction.
const ISOLATE: char = '\u{2068}';
const POP: char = '\u{2069}';

/// A name or a sentence: one line, whatever stands in it.
pub fn line(text: &str) -> String {
    clean(text, false)
}

/// A text: its line breaks and tabs stay.
pub fn block(text: &str) -> String {
    clean(text, true)
}

fn clean(text: &str, breaks: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let isolate = text.chars().any(is_rtl);
    for (number, part) in text.split('\n').enumerate() {
        if number > 0 {
            out.push_str(if breaks { "\n" } else { "\\n" });
        }
        // An isolate ends with its paragraph: each line gets its own.
        if isolate {
            out.push(ISOLATE);
        }
        for c in part.chars() {
            match c {
                '\t' if breaks => out.push(c),
                '\r' if breaks => {}
                c if c.is_control() || is_format(c) => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        if isolate {
            out.push(POP);
        }
    }
    out
}

/// Characters that order or break lines for others: embeddings, overrides, isolates, separators,
/// annotations.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}'
            | '\u{fff9}'..='\u{fffb}' | '\u{feff}'
    )
}

/// Blocks written from right to left, and the marks that stand for them.
fn is_rtl(c: char) -> bool {
    matches!(
        c,
        '\u{0590}'..='\u{08ff}' | '\u{200f}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

/// At most `chars` characters, with an ellipsis where something was cut off.
pub fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(line("al\x1b[31mice"), "al\\u{1b}[31mice");
        assert_eq!(line("a\u{9b}2Jb"), "a\\u{9b}2Jb");
        assert_eq!(line("a\nb\r\tc\x07\x7f"), "a\\nb\\r\\tc\\u{7}\\u{7f}");
    }

    #[test]
    fn a_text_keeps_its_lines_and_tabs() {
        assert_eq!(block("a\r\n\tb\x08"), "a\n\tb\\u{8}");
    }

    #[test]
    fn overrides_are_shown_and_right_to_left_is_isolated() {
        assert_eq!(line("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(line("a\u{2069}b"), "a\\u{2069}b");
        assert_eq!(line("שלום"), "\u{2068}שלום\u{2069}");
        assert_eq!(block("שלום\nx"), "\u{2068}שלום\u{2069}\n\u{2068}x\u{2069}");
    }

    #[test]
    fn plain_words_and_emoji_stay_as_they_are() {
        assert_eq!(line("Zoë 👩‍🚀 李"), "Zoë 👩‍🚀 李");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("héllo", 5), "héllo");
        assert_eq!(shorten("héllo!", 5), "héllo…");
    }
}
