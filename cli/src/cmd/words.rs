//! `waxwing words`

use super::Context;
use crate::client::Key;
use crate::error::CliError;
use std::fmt::Write as _;
use waxwing_node::api::model;

/// Words in one line of the plain table.
const COLUMNS: usize = 4;

/// Show the 24 recovery words, or say that they are on paper.
///
/// Whoever has these words is you: write them on paper, keep them away from computers, then run
/// `waxwing words --written-down`. The home forgets them for good.
#[derive(Debug, clap::Args)]
pub struct Words {
    /// They are on paper: erase them from the home
    #[arg(long)]
    written_down: bool,
}

/// # Errors
/// [`CliError`] if the words are no longer in the home, or the node is not there.
pub async fn run(args: Words, context: &Context) -> Result<(), CliError> {
    if args.written_down {
        let done: model::WordsWritten = context
            .client
            .post("/v1/words/written", &serde_json::json!({}), Key::Fresh)
            .await?;
        return context.out.object(&done, || {
            "The words are erased from this home. What is on paper is all there is.".to_owned()
        });
    }
    let words: model::Words = context.client.get("/v1/words").await?;
    context.out.object(&words, || table(&words.words))?;
    context.out.note(
        "\nWrite them on paper, in this order. Whoever has them is you.\n\
         Then run `waxwing words --written-down`: the home forgets them.",
    );
    Ok(())
}

fn table(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut table = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 && at % COLUMNS == 0 {
            table.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(table, "{:>3} {word:<10}", at + 1);
    }
    table
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_numbered_in_lines_of_four() {
        assert_eq!(
            super::table("abandon ability able about above"),
            "  1 abandon     2 ability     3 able        4 about\n  5 above"
        );
    }
}
