//! Types as stewards write them: which words mean the same, and which type holds another.
//!
//! This module knows no engine. It compares words of two files, such as a manifest of last week and
//! the project of today; whether a type exists, and whether a query gives it, the engine says.

/// A type in refx's words, as far as it is one of many spellings: `INT8` is `bigint`,
/// `character varying(20)` is `varchar`. What is not known stays, in lower case and without spaces
/// that mean nothing.
pub fn plain(written: &str) -> String {
    let text = squeezed(written);
    // `timestamp(3) with time zone` has words on both sides.
    let parts = text.split_once('(').and_then(|(word, rest)| {
        let (arguments, more) = rest.split_once(')')?;
        Some((format!("{word}{more}"), Some(arguments)))
    });
    let (word, arguments) = parts.unwrap_or_else(|| (text.clone(), None));
    let known = match word.as_str() {
        "int" | "int4" | "int32" | "integer" => "integer",
        "int8" | "int64" | "bigint" => "bigint",
        "int2" | "int16" | "smallint" => "smallint",
        "bool" | "boolean" => "boolean",
        "float8" | "float64" | "double" | "double precision" => "double",
        "float4" | "real" | "float" => "float",
        "string" | "text" | "varchar" | "char" | "character" | "character varying" | "nvarchar" => {
            "varchar"
        }
        "timestamp" | "datetime" | "timestamp without time zone" => "timestamp",
        "timestamptz" | "timestamp with time zone" => "timestamptz",
        "binary" | "varbinary" | "blob" | "bytea" => "bytea",
        "numeric" | "number" | "decimal" | "dec" => {
            return match arguments {
                None => "decimal".to_owned(),
                Some(arguments) if arguments.contains(',') => format!("decimal({arguments})"),
                Some(precision) => format!("decimal({precision},0)"),
            };
        }
        _ => return text,
    };
    known.to_owned()
}

/// Lower case, one space between words, none round punctuation.
fn squeezed(written: &str) -> String {
    let lower = written.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let mut text = words.join(" ");
    for sign in ["(", ")", ",", "<", ">", "[", "]"] {
        for spaced in [format!(" {sign}"), format!("{sign} ")] {
            // `timestamp(3) with time zone` keeps the space after its parenthesis.
            if spaced != ") " {
                text = text.replace(&spaced, sign);
            }
        }
    }
    text
}

/// Whether every value of the first type is one of the second.
pub fn widens(from: &str, to: &str) -> bool {
    const WHOLE: [&str; 4] = ["tinyint", "smallint", "integer", "bigint"];
    let (from, to) = (plain(from), plain(to));
    let size = |word: &str| WHOLE.iter().position(|known| *known == word);
    match (size(&from), size(&to), decimal(&from), decimal(&to)) {
        (Some(from), Some(to), ..) => from <= to,
        (_, _, Some((precision, scale)), Some((wide, fine))) => {
            fine >= scale && wide.saturating_sub(fine) >= precision.saturating_sub(scale)
        }
        _ => from == to || (from == "float" && to == "double"),
    }
}

/// Precision and scale.
fn decimal(plain: &str) -> Option<(u32, u32)> {
    let arguments = plain.strip_prefix("decimal(")?.strip_suffix(')')?;
    let (precision, scale) = arguments.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_type_are_one() {
        for (written, expect) in [
            ("INT", "integer"),
            ("int8", "bigint"),
            ("Character Varying (20)", "varchar"),
            ("double  precision", "double"),
            ("timestamp(6)", "timestamp"),
            ("timestamp without time zone", "timestamp"),
            ("timestamp(3) with time zone", "timestamptz"),
            ("numeric", "decimal"),
            ("number( 10 , 2 )", "decimal(10,2)"),
            ("decimal(9)", "decimal(9,0)"),
            ("ARRAY < bigint >", "array<bigint>"),
            ("geography", "geography"),
        ] {
            assert_eq!(plain(written), expect, "{written}");
        }
    }

    #[test]
    fn a_wider_type_holds_the_narrower() {
        for (from, to, expect) in [
            ("int", "bigint", true),
            ("bigint", "int", false),
            ("float4", "float8", true),
            ("double", "float", false),
            ("decimal(10,2)", "decimal(12,2)", true),
            ("decimal(10,2)", "decimal(12,6)", false),
            ("decimal(10,2)", "decimal(12,1)", false),
            ("text", "varchar(10)", true),
            ("bigint", "varchar", false),
            ("date", "timestamp", false),
        ] {
            assert_eq!(widens(from, to), expect, "{from} to {to}");
        }
    }
}
