//! `waxwing chat`: a conversation, line by line.

mod lines;

use self::lines::{Line, Lines};
use super::send::{check, too_long};
use super::why::tell;
use super::{Context, draft};
use crate::client::{Key, segment};
use crate::error::{CliError, Kind};
use crate::events::{Heard, Subscription};
use crate::show::{self, Place};
use crate::text;
use jiff::Zoned;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use waxwing_node::api::model::{
    Change, Contact, Draft, DraftRequest, Marked, Message, MessageList, Notice, NoticeList,
    ReactRequest, ReadRequest, SendRequest, Sent, State,
};
use waxwing_protocol::limits::READ_MAX;

/// Messages shown at first, unless more are unread.
const HISTORY: usize = 20;
/// Messages that `/reply`, `/react` and `/why` can still name by number.
const NUMBERED_MAX: usize = 1_000;

/// Talk, line by line.
///
/// Shows what was said last, then everything as it comes; each line you type is sent. Works in
/// pipes too: at the end of the input it ends, once everything is safe in your home.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
While chatting:
  /reply N TEXT     answer message N
  /react N EMOJI    react to message N
  /draft [TEXT]     keep a text for later, or show what was kept
  /send             send what was kept
  /why [N]          tell where a message of yours is
  /help             show these
  /quit             end (so does Ctrl-D)
  //text            send a text that begins with a slash")]
pub struct Chat {
    /// With whom
    name: String,
}

/// # Errors
/// [`CliError`] if there is no such contact, or the node is not there or goes away.
pub async fn run(args: Chat, context: &Context) -> Result<(), CliError> {
    let mut heard = Subscription::now(&context.client).await?;
    let path = format!("/v1/contacts/{}", segment(&args.name));
    let contact: Contact = context.client.get(&path).await?;
    let mut room = Room {
        context,
        name: contact.name.clone(),
        account: contact.account.clone(),
        shown: VecDeque::new(),
        count: 0,
        said: None,
        noticed: None,
        prompt: io::stdin().is_terminal() && io::stdout().is_terminal() && !context.out.is_json(),
    };
    room.history(&contact).await?;
    let mut lines = Lines::start()?;
    room.ask();
    loop {
        tokio::select! {
            line = lines.next() => match line {
                Some(line) => {
                    if !room.line(line).await? {
                        return Ok(());
                    }
                    room.ask();
                }
                None => return Ok(()),
            },
            change = heard.next() => room.hear(change?).await?,
        }
    }
}

struct Room<'a> {
    context: &'a Context,
    /// The petname may change while we talk; the account does not.
    name: String,
    account: String,
    /// Number and id of what was shown, newest last.
    shown: VecDeque<(usize, String)>,
    count: usize,
    /// Id of what was said here last.
    said: Option<String>,
    /// The newest notice that was shown with what was said before.
    noticed: Option<Notice>,
    /// Somebody types here.
    prompt: bool,
}

/// What a line asks for.
#[derive(PartialEq, Eq, Debug)]
enum Wish<'a> {
    Say(&'a str),
    Reply(usize, &'a str),
    React(usize, &'a str),
    Draft(&'a str),
    Send,
    Why(Option<usize>),
    Help,
    Quit,
    Unknown,
}

fn parse(line: &str) -> Wish<'_> {
    let Some(command) = line.strip_prefix('/') else {
        return Wish::Say(line);
    };
    if command.starts_with('/') {
        return Wish::Say(command);
    }
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    let numbered = || {
        let (number, rest) = rest.split_once(' ')?;
        let number = number.trim_start_matches('#').parse().ok()?;
        Some((number, rest.trim()))
    };
    match word {
        "quit" | "q" => Wish::Quit,
        "help" => Wish::Help,
        "draft" => Wish::Draft(rest),
        "send" if rest.is_empty() => Wish::Send,
        "reply" => numbered().map_or(Wish::Unknown, |(number, text)| Wish::Reply(number, text)),
        "react" => numbered().map_or(Wish::Unknown, |(number, emoji)| Wish::React(number, emoji)),
        "why" if rest.is_empty() => Wish::Why(None),
        "why" => match rest.trim_start_matches('#').parse() {
            Ok(number) => Wish::Why(Some(number)),
            Err(_) => Wish::Unknown,
        },
        _ => Wish::Unknown,
    }
}

impl Room<'_> {
    async fn history(&mut self, contact: &Contact) -> Result<(), CliError> {
        let unread = usize::try_from(contact.unread).unwrap_or(READ_MAX);
        let limit = unread.clamp(HISTORY, READ_MAX);
        let path = format!(
            "/v1/contacts/{}/messages?limit={limit}",
            segment(&self.name)
        );
        let list: MessageList = self.context.client.get(&path).await?;
        let path = format!("/v1/contacts/{}/notices", segment(&self.name));
        let kept: NoticeList = self.context.client.get(&path).await?;
        self.noticed = kept.notices.last().cloned();
        let mut notices = kept.notices.iter().peekable();
        // Where the conversation goes further back than what is shown, so do its notices.
        if list.messages.len() == limit {
            let first = list.messages[0].clock;
            while notices.next_if(|notice| notice.clock < first).is_some() {}
        }
        let mut unread = None;
        for message in &list.messages {
            while let Some(notice) = notices.next_if(|notice| notice.clock < message.clock) {
                self.show_notice(notice)?;
            }
            self.show(message)?;
            if !message.mine && !message.imported && message.state == State::Delivered {
                unread = Some(message.id.clone());
            }
        }
        for notice in notices {
            self.show_notice(notice)?;
        }
        if let Some(upto) = unread {
            self.mark(upto).await?;
        }
        self.context.out.note(&format!(
            "-- {} is {}; /help tells what can be typed --",
            text::line(&self.name),
            show::reach_words(contact.reach)
        ));
        if let Some(draft) = &contact.draft {
            let begun = format!("Kept, not sent: {} (/send sends it)", text::line(draft));
            self.context.out.note(&begun);
        }
        Ok(())
    }

    /// Does what a line asks for; false ends the chat.
    async fn line(&mut self, line: Line) -> Result<bool, CliError> {
        let line = match line {
            Line::Text(line) => line,
            Line::TooLong => return self.object(too_long()),
            Line::NoText => return self.object(CliError::usage("that line is no UTF-8 text")),
        };
        if line.trim().is_empty() {
            return Ok(true);
        }
        let done = match parse(&line) {
            Wish::Quit => return Ok(false),
            Wish::Help => {
                self.remark("/reply N TEXT  /react N EMOJI  /draft [TEXT]  /send  /why [N]  /quit");
                Ok(())
            }
            Wish::Unknown => Err(CliError::usage(
                "that is no command here; /help lists them, // sends a slash",
            )),
            Wish::Say(text) => match self.say(text, None).await {
                Err(error) => self.keep_unsent(text, error).await,
                Ok(()) => Ok(()),
            },
            Wish::Draft("") => self.tell_draft().await,
            Wish::Draft(text) => self.keep(text).await,
            Wish::Send => self.send_draft().await,
            Wish::Reply(number, text) => match self.id(number) {
                Some(id) => self.say(text, Some(id)).await,
                None => Err(no_such()),
            },
            Wish::React(number, emoji) => match self.id(number) {
                Some(id) => self.react(&id, emoji).await,
                None => Err(no_such()),
            },
            Wish::Why(number) => self.why(number).await,
        };
        match done {
            Ok(()) => Ok(true),
            Err(error) => self.object(error),
        }
    }

    /// A line came to nothing. Somebody who types is told and can say it again; a pipe cannot,
    /// so there it is the end.
    fn object(&self, error: CliError) -> Result<bool, CliError> {
        if !self.prompt || error.kind == Kind::Closed {
            return Err(error);
        }
        self.remark(&format!("Not done: {}", text::line(&error.message)));
        Ok(true)
    }

    async fn say(&mut self, text: &str, reply_to: Option<String>) -> Result<(), CliError> {
        check(text)?;
        let wish = SendRequest {
            text: text.to_owned(),
            reply_to,
        };
        let path = format!("/v1/contacts/{}/messages", segment(&self.name));
        let sent: Sent = self.context.client.post(&path, &wish, Key::Fresh).await?;
        self.said = Some(sent.id.clone());
        // In a terminal the words already stand there; the change log will not repeat them.
        if self.prompt {
            self.number(&sent.id);
        }
        Ok(())
    }

    /// What could not be sent is kept, where somebody typed it; it is still said why.
    async fn keep_unsent(&self, text: &str, error: CliError) -> Result<(), CliError> {
        if self.prompt && matches!(error.kind, Kind::Policy | Kind::Failed) && check(text).is_ok() {
            self.keep(text).await?;
        }
        Err(error)
    }

    async fn keep(&self, text: &str) -> Result<(), CliError> {
        check(text)?;
        let text = text.to_owned();
        let path = draft::path(&self.name);
        let _: Draft = self
            .context
            .client
            .put(&path, &DraftRequest { text })
            .await?;
        self.remark("Kept; /send sends it.");
        Ok(())
    }

    async fn tell_draft(&self) -> Result<(), CliError> {
        let kept: Draft = self.context.client.get(&draft::path(&self.name)).await?;
        match kept.text {
            Some(kept) => self.remark(&format!("Kept, not sent: {}", text::line(&kept))),
            None => self.remark("There is no draft."),
        }
        Ok(())
    }

    async fn send_draft(&mut self) -> Result<(), CliError> {
        let path = format!("{}/send", draft::path(&self.name));
        let nothing = serde_json::json!({});
        let sent: Sent = self
            .context
            .client
            .post(&path, &nothing, Key::Fresh)
            .await?;
        self.said = Some(sent.id);
        Ok(())
    }

    async fn react(&self, id: &str, emoji: &str) -> Result<(), CliError> {
        let path = format!("/v1/messages/{}/reactions", segment(id));
        let emoji = emoji.to_owned();
        let _: Sent = self
            .context
            .client
            .post(&path, &ReactRequest { emoji }, Key::Fresh)
            .await?;
        Ok(())
    }

    async fn why(&self, number: Option<usize>) -> Result<(), CliError> {
        let id = match number {
            Some(number) => self.id(number),
            None => self.said.clone(),
        };
        let id = id.ok_or_else(no_such)?;
        tell(&id, self.context).await
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), CliError> {
        let out = self.context.out;
        match &heard.event.change {
            Change::Message(message) if message.contact == self.name => {
                if let Some(number) = self.number_of(&message.id) {
                    // Shown before: what changed is a reaction, an edit or a deletion, or it is
                    // ours and was just typed.
                    if message.edited || message.state == State::Deleted {
                        let line = show::message(message, Place::Conversation, &Zoned::now(), out);
                        return self.tell(&heard, &format!("#{number} {line}"));
                    }
                    if !message.reactions.is_empty() {
                        let all: Vec<String> = message
                            .reactions
                            .iter()
                            .map(|r| text::line(&r.emoji))
                            .collect();
                        self.tell(&heard, &format!("        #{number} {}", all.join(" ")))?;
                    }
                    return Ok(());
                }
                self.wipe();
                self.show(message)?;
                self.ask();
                if !message.mine && !message.imported && message.state == State::Delivered {
                    self.mark(message.id.clone()).await?;
                }
            }
            Change::State {
                id,
                state: State::Deleted,
                ..
            } => {
                if let Some(number) = self.number_of(id) {
                    let path = format!("/v1/messages/{}", segment(id));
                    let left: Message = self.context.client.get(&path).await?;
                    // What was deleted is told as a message that changed.
                    if left.expires_at.is_some() {
                        let line = out.dim(&format!("        #{number} has disappeared"));
                        self.tell(&heard, &line)?;
                    }
                }
            }
            Change::State { id, state, .. } => {
                let told = matches!(
                    state,
                    State::Delivered | State::Read | State::Expired | State::Refused
                );
                if let Some(number) = self.number_of(id).filter(|_| told) {
                    let line = out.dim(&format!("        #{number} {}", state.word()));
                    self.tell(&heard, &line)?;
                }
            }
            Change::Reach { contact, .. } if *contact == self.name => {
                let line = show::event(&heard.event, &Zoned::now(), out);
                self.tell(&heard, &out.dim(&line))?;
            }
            Change::Contact(contact) if contact.account == self.account => {
                self.name.clone_from(&contact.name);
            }
            Change::Removed { account, .. } if *account == self.account => {
                let text = "this contact was removed";
                return Err(CliError::new(Kind::NotFound, "no_such_contact", text));
            }
            Change::Notice { contact, text, .. } if contact.as_ref() == Some(&self.name) => {
                let at = &heard.event.at;
                // It may have come between the subscription and the look at what was there.
                if !matches!(&self.noticed, Some(n) if n.at == *at && n.text == *text) {
                    let line = show::notice(at, text, &Zoned::now());
                    self.tell(&heard, &line)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&mut self, message: &Message) -> Result<(), CliError> {
        let number = self.number(&message.id);
        let out = self.context.out;
        out.object(message, || {
            let lines = show::message(message, Place::Conversation, &Zoned::now(), out);
            format!("{} {lines}", out.dim(&format!("#{number}")))
        })
    }

    fn show_notice(&self, notice: &Notice) -> Result<(), CliError> {
        let line = || show::notice(&notice.at, &notice.text, &Zoned::now());
        self.context.out.object(notice, line)
    }

    fn tell(&self, heard: &Heard, line: &str) -> Result<(), CliError> {
        let out = self.context.out;
        if out.is_json() {
            return out.line(&heard.raw);
        }
        self.wipe();
        out.line(line)?;
        self.ask();
        Ok(())
    }

    async fn mark(&self, upto: String) -> Result<(), CliError> {
        let path = format!("/v1/contacts/{}/read", segment(&self.name));
        let wish = ReadRequest { upto: Some(upto) };
        match self.context.client.post(&path, &wish, Key::None).await {
            // On a full disk reading goes on; only the marks wait.
            Ok(Marked { .. }) => Ok(()),
            Err(error) if error.code == "disk_full" => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn number(&mut self, id: &str) -> usize {
        if let Some(number) = self.number_of(id) {
            return number;
        }
        self.count += 1;
        self.shown.push_back((self.count, id.to_owned()));
        if self.shown.len() > NUMBERED_MAX {
            self.shown.pop_front();
        }
        self.count
    }

    fn number_of(&self, id: &str) -> Option<usize> {
        let found = self.shown.iter().rfind(|(_, shown)| shown == id);
        found.map(|(number, _)| *number)
    }

    fn id(&self, number: usize) -> Option<String> {
        let found = self.shown.iter().find(|(n, _)| *n == number);
        found.map(|(_, id)| id.clone())
    }

    /// Words of our own, which are no answer.
    fn remark(&self, line: &str) {
        self.wipe();
        self.context.out.note(line);
    }

    fn ask(&self) {
        if self.prompt {
            let mut stdout = io::stdout().lock();
            // Without a prompt the chat still works.
            let _ = stdout.write_all(b"> ").and_then(|()| stdout.flush());
        }
    }

    /// Takes the prompt away, so that a line can be printed in its place.
    fn wipe(&self) {
        if self.prompt {
            let _ = io::stdout().lock().write_all(b"\r\x1b[K");
        }
    }
}

fn no_such() -> CliError {
    CliError::new(Kind::NotFound, "not_found", "there is no such message here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_texts_unless_they_begin_with_a_slash() {
        assert_eq!(parse("hello"), Wish::Say("hello"));
        assert_eq!(parse("//shrug"), Wish::Say("/shrug"));
        assert_eq!(parse("/quit"), Wish::Quit);
        assert_eq!(parse("/reply 3 so do I"), Wish::Reply(3, "so do I"));
        assert_eq!(parse("/react #3 👍"), Wish::React(3, "👍"));
        assert_eq!(parse("/draft so far"), Wish::Draft("so far"));
        assert_eq!(parse("/draft"), Wish::Draft(""));
        assert_eq!(parse("/send"), Wish::Send);
        assert_eq!(parse("/why"), Wish::Why(None));
        assert_eq!(parse("/why 12"), Wish::Why(Some(12)));
        for bad in [
            "/reply",
            "/reply x y",
            "/react 3",
            "/why x",
            "/send x",
            "/dance",
            "/",
        ] {
            assert_eq!(parse(bad), Wish::Unknown, "{bad}");
        }
    }
}
