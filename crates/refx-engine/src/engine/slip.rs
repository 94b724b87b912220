//! Slips that the parser reports elsewhere, or in words that do not lead to them.
//!
//! The parser takes `case` for a name where it cannot read the CASE, and stumbles over what follows.
//! So once a text does not parse, the CASEs in it are read again, part by part.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::explain::syntax;
use super::{Error, Kind, Position};

/// A better error for a text that does not parse, where one is known.
pub(super) fn of(sql: &str) -> Option<Error> {
    if let Some(error) = typographic_quote(sql) {
        return Some(error);
    }
    let mut tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .ok()?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    case(&tokens)
}

/// A quote that an office program has put in place of the one of the keyboard, outside of texts and
/// comments.
fn typographic_quote(sql: &str) -> Option<Error> {
    let (mut line, mut column) = (1, 0);
    let mut inside: Option<&str> = None;
    let mut rest = sql.char_indices();
    while let Some((at, letter)) = rest.next() {
        column += 1;
        let here = &sql[at..];
        match inside {
            Some(end) if here.starts_with(end) => {
                if end == "*/" {
                    rest.next();
                    column += 1;
                }
                inside = None;
            }
            Some(_) => {}
            None => {
                inside = match letter {
                    '\'' => Some("'"),
                    '"' => Some("\""),
                    '-' if here.starts_with("--") => Some("\n"),
                    '/' if here.starts_with("/*") => Some("*/"),
                    '‘' | '’' | '‚' | '“' | '”' | '„' | '´' | '′' => {
                        let plain = match letter {
                            '“' | '”' | '„' => "a text stands in `'`, a name in `\"`",
                            _ => "a text stands in `'`",
                        };
                        let error = Error::new(
                            Kind::Syntax,
                            format!("`{letter}` is a typographic quote, which SQL does not know"),
                        );
                        return Some(error.at(Some(Position { line, column })).help(plain));
                    }
                    _ => None,
                };
            }
        }
        if letter == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    None
}

/// Which part of a CASE is being read.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Operand,
    When,
    Then,
    Else,
}

impl Part {
    /// What may follow the part.
    fn followed_by(self) -> &'static str {
        match self {
            Part::Operand => "`when`",
            Part::When => "`then`",
            Part::Then => "`when`, `else` or `end`",
            Part::Else => "`end`",
        }
    }

    fn may_precede(self, keyword: Keyword) -> bool {
        match self {
            Part::Operand => keyword == Keyword::WHEN,
            Part::When => keyword == Keyword::THEN,
            Part::Then => matches!(keyword, Keyword::WHEN | Keyword::ELSE | Keyword::END),
            Part::Else => keyword == Keyword::END,
        }
    }
}

enum Open {
    Bracket,
    /// The part that is being read, and the token that it begins with.
    Case(Part, usize),
}

/// The first CASE of the text that is not one.
fn case(tokens: &[TokenWithSpan]) -> Option<Error> {
    let mut open: Vec<Open> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen | Token::LBracket => open.push(Open::Bracket),
            Token::RParen | Token::RBracket => {
                if let Some(Open::Case(part, start)) = open.last() {
                    return Some(unclosed(tokens, (*part, *start), at));
                }
                open.pop();
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let keyword = match is_name(tokens, at) {
                    true => Keyword::NoKeyword,
                    false => word.keyword,
                };
                match (keyword, open.last()) {
                    (Keyword::CASE, _) => open.push(Open::Case(Part::Operand, at + 1)),
                    (
                        Keyword::WHEN | Keyword::THEN | Keyword::ELSE | Keyword::END,
                        Some(Open::Case(part, start)),
                    ) => {
                        let (part, start) = (*part, *start);
                        if let Some(error) = read(tokens, (part, start), at) {
                            return Some(error);
                        }
                        if !part.may_precede(keyword) {
                            return Some(expected(part.followed_by(), token));
                        }
                        open.pop();
                        match keyword {
                            Keyword::WHEN => open.push(Open::Case(Part::When, at + 1)),
                            Keyword::THEN => open.push(Open::Case(Part::Then, at + 1)),
                            Keyword::ELSE => open.push(Open::Case(Part::Else, at + 1)),
                            _ => {}
                        }
                    }
                    (keyword, Some(Open::Case(part, start))) if ends_an_item(keyword) => {
                        let before = at.checked_sub(1).map(|before| &tokens[before].token);
                        // `is distinct from`
                        let compares = matches!(before, Some(Token::Word(word)) if word.keyword == Keyword::DISTINCT);
                        if !compares {
                            return Some(unclosed(tokens, (*part, *start), at));
                        }
                    }
                    _ => {}
                }
            }
            Token::Comma | Token::SemiColon | Token::EOF => {
                if let Some(Open::Case(part, start)) = open.last() {
                    return Some(unclosed(tokens, (*part, *start), at));
                }
            }
            _ => {}
        }
    }
    let Some(Open::Case(part, start)) = open.last() else {
        return None;
    };
    Some(unclosed(tokens, (*part, *start), tokens.len()))
}

/// Whether the word is a name whatever it reads: `t.end`, `as case`.
fn is_name(tokens: &[TokenWithSpan], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| &tokens[before].token);
    match before {
        Some(Token::Period) => true,
        Some(Token::Word(word)) => word.keyword == Keyword::AS,
        _ => false,
    }
}

/// Whether no expression goes on behind the word.
fn ends_an_item(keyword: Keyword) -> bool {
    use Keyword::{
        AS, ASC, DESC, EXCEPT, FROM, GROUP, HAVING, INTERSECT, JOIN, LIMIT, ORDER, QUALIFY, SELECT,
        UNION, WHERE,
    };
    matches!(
        keyword,
        AS | ASC
            | DESC
            | EXCEPT
            | FROM
            | GROUP
            | HAVING
            | INTERSECT
            | JOIN
            | LIMIT
            | ORDER
            | QUALIFY
            | SELECT
            | UNION
            | WHERE
    )
}

/// The error of a CASE that ends before its `end`; or that of its last part, if that is wrong itself.
fn unclosed(tokens: &[TokenWithSpan], (part, start): (Part, usize), at: usize) -> Error {
    if let Some(error) = read(tokens, (part, start), at) {
        return error;
    }
    let wanted = part.followed_by();
    let error = match tokens.get(at) {
        Some(token) => expected(wanted, token),
        None => ended(tokens, wanted),
    };
    match part {
        Part::Then | Part::Else => error.help("a `case` is closed with `end`"),
        Part::Operand | Part::When => error.help("write `case when … then … else … end`"),
    }
}

/// Reads one part of a CASE by itself. The token at `end` is the first behind it.
fn read(tokens: &[TokenWithSpan], (part, start): (Part, usize), end: usize) -> Option<Error> {
    let inside = &tokens[start.min(end)..end];
    let next = |wanted: &str| match tokens.get(end) {
        Some(token) => expected(wanted, token),
        None => ended(tokens, wanted),
    };
    if inside.is_empty() {
        return match part {
            Part::Operand => None,
            Part::When => Some(next("a condition")),
            Part::Then | Part::Else => Some(next("a value")),
        };
    }
    let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(inside.to_vec());
    match parser.parse_expr() {
        Ok(_) => match parser.peek_token() {
            token if token.token == Token::EOF => None,
            token => Some(expected(part.followed_by(), &token)),
        },
        Err(error) => {
            let error = syntax(&error);
            // The part ends too early: the text goes on there, with a word that is no part of it.
            Some(match error.position {
                Some(_) => error,
                None => next("an expression"),
            })
        }
    }
}

fn expected(wanted: &str, found: &TokenWithSpan) -> Error {
    let found_text = match &found.token {
        Token::EOF => "the end of the text".to_owned(),
        token => format!("`{token}`"),
    };
    Error::new(
        Kind::Syntax,
        format!("expected {wanted}, found {found_text}"),
    )
    .at(Position::of(found.span.start))
}

fn ended(tokens: &[TokenWithSpan], wanted: &str) -> Error {
    let last = tokens
        .last()
        .and_then(|token| Position::of(token.span.start));
    Error::new(
        Kind::Syntax,
        format!("expected {wanted}, found the end of the text"),
    )
    .at(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a text, and where.
    fn told(sql: &str) -> String {
        let error = of(sql).expect("a slip");
        let place = error.position.expect("a place");
        format!("{}:{} {}", place.line, place.column, error.message)
    }

    #[test]
    fn each_part_of_a_case_is_read_by_itself() {
        let told_of = [
            (
                "select case when a 1 end from t",
                "1:20 expected `then`, found `1`",
            ),
            (
                "select case when a then 1 as x from t",
                "1:27 expected `when`, `else` or `end`, found `as`",
            ),
            (
                "select case when a > then 1 end from t",
                "1:22 expected an expression, found `then`",
            ),
            (
                "select case when a then 1 when b else 2 end from t",
                "1:34 expected `then`, found `else`",
            ),
            (
                "select case when a then 1 else end from t",
                "1:32 expected a value, found `end`",
            ),
            (
                "select case when then 1 end from t",
                "1:18 expected a condition, found `then`",
            ),
            (
                "select case when a then 1 else 2, b from t",
                "1:33 expected `end`, found `,`",
            ),
            (
                "select sum(case when a then 1 else 2) from t",
                "1:37 expected `end`, found `)`",
            ),
            (
                "select case when a then case when b then 1 else 2 end from t",
                "1:55 expected `when`, `else` or `end`, found `from`",
            ),
            (
                "select case a = 1 then 1 end from t",
                "1:19 expected `when`, found `then`",
            ),
            (
                "select case when a then 1 + else 2 end from t",
                "1:29 expected an expression, found `else`",
            ),
        ];
        for (sql, expected) in told_of {
            assert_eq!(told(sql), expected, "{sql}");
        }
    }

    #[test]
    fn quotes_of_an_office_program_are_found_outside_of_texts() {
        assert_eq!(
            told("select 'it’s', -- ‘\n case when a = ‘FR’ then 1 end from t"),
            "2:16 `‘` is a typographic quote, which SQL does not know"
        );
        assert!(of("select 'it’s' from from").is_none());
    }

    #[test]
    fn a_right_case_is_passed_over() {
        let right =
            "select case when a is distinct from b then 1 else 2 end as case, t.end from from";
        assert!(of(right).is_none());
    }
}
