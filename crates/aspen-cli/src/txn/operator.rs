//! The operators of compares, which scripts and JSON write alike.

use aspen_core::CompareOperator;

/// The operator of this name, or what is wrong with it.
pub(super) fn parse(name: &str) -> Result<CompareOperator, String> {
    match name {
        "=" | "==" => Ok(CompareOperator::Equal),
        "!=" => Ok(CompareOperator::NotEqual),
        "<" => Ok(CompareOperator::Less),
        ">" => Ok(CompareOperator::Greater),
        other => Err(format!("unknown operator {other:?}; expected =, !=, < or >")),
    }
}
