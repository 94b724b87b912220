//! Finds a name in a SQL text, for the errors that DataFusion gives no place to.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::Position;

/// The first place of `name` (dots separate its parts) in the text, quoted or not.
pub(super) fn identifier(sql: &str, name: &str) -> Option<Position> {
    let tokens = tokens(sql)?;
    let parts: Vec<&str> = name.split('.').map(|part| part.trim_matches('"')).collect();
    // A qualified name is looked for whole, then by its last part.
    find(&tokens, &parts, false).or_else(|| find(&tokens, &parts[parts.len() - 1..], false))
}

/// The first place where `name` is called.
pub(super) fn function(sql: &str, name: &str) -> Option<Position> {
    find(&tokens(sql)?, &[name], true)
}

/// The place of the last token.
pub(super) fn last(sql: &str) -> Option<Position> {
    let place = tokens(sql)?.last()?.span.start;
    Some(Position {
        line: usize::try_from(place.line).ok()?,
        column: usize::try_from(place.column).ok()?,
    })
}

/// The name in double quotes at a place; none where another token is.
pub(super) fn quoted(sql: &str, place: Position) -> Option<String> {
    let at = |token: &&TokenWithSpan| {
        let start = token.span.start;
        usize::try_from(start.line).ok() == Some(place.line)
            && usize::try_from(start.column).ok() == Some(place.column)
    };
    let tokens = tokens(sql)?;
    match &tokens.iter().find(at)?.token {
        Token::Word(word) if word.quote_style == Some('"') => Some(word.value.clone()),
        _ => None,
    }
}

/// The names of the CTEs of the text, in order.
pub(super) fn ctes(sql: &str) -> Vec<String> {
    let tokens = tokens(sql).unwrap_or_default();
    let named = tokens.windows(4).filter_map(|four| {
        let word = |at: usize| match &four[at].token {
            Token::Word(word) => Some(word.value.to_lowercase()),
            _ => None,
        };
        let begins = word(0).is_some_and(|word| word == "with" || word == "recursive")
            || four[0].token == Token::Comma;
        let is_cte = begins && word(2)? == "as" && four[3].token == Token::LParen;
        is_cte.then(|| word(1))?
    });
    named.collect()
}

/// Whether the text is a single SELECT that gives one of its results this name, and uses the name
/// behind its FROM alone.
pub(super) fn is_own_alias(sql: &str, name: &str) -> bool {
    let tokens = tokens(sql).unwrap_or_default();
    let is = |at: usize, wanted: &str| match &tokens[at].token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    };
    let all = |wanted: &str| (0..tokens.len()).filter(|at| is(*at, wanted)).count();
    let Some(from) = (0..tokens.len()).find(|at| is(*at, "from")) else {
        return false;
    };
    let (given, used): (Vec<usize>, Vec<usize>) = (0..tokens.len())
        .filter(|at| is(*at, name))
        .partition(|at| *at > 0 && is(*at - 1, "as"));
    all("select") == 1 && !given.is_empty() && used.iter().all(|at| *at > from)
}

fn tokens(sql: &str) -> Option<Vec<TokenWithSpan>> {
    let mut tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .ok()?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Some(tokens)
}

fn find(tokens: &[TokenWithSpan], parts: &[&str], called: bool) -> Option<Position> {
    let width = parts.len() * 2 - 1;
    let start = (0..tokens.len().checked_sub(width)? + 1).find(|&start| {
        let matches = (0..width).all(|offset| match (&tokens[start + offset].token, offset % 2) {
            (Token::Word(word), 0) => {
                let part = parts[offset / 2];
                match word.quote_style {
                    Some(_) => word.value == part,
                    None => word.value.to_lowercase() == part.to_lowercase(),
                }
            }
            (Token::Period, 1) => true,
            _ => false,
        });
        let next = tokens.get(start + width).map(|next| &next.token);
        matches && (!called || next == Some(&Token::LParen))
    })?;
    let place = tokens[start].span.start;
    Some(Position {
        line: usize::try_from(place.line).ok()?,
        column: usize::try_from(place.column).ok()?,
    })
}
