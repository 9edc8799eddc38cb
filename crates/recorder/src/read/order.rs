//! The order of destinations.

use super::destination::DestinationRow;
use super::query::{DestinationColumn, Order};
use std::cmp::Ordering;

/// Sorts by the columns given; rows that are equal in all of them keep their order.
pub(super) fn sort(rows: &mut [DestinationRow], columns: &[(DestinationColumn, Order)]) {
    rows.sort_by(|a, b| {
        columns
            .iter()
            .map(|(column, order)| compare(a, b, *column, *order))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}

fn compare(
    a: &DestinationRow,
    b: &DestinationRow,
    column: DestinationColumn,
    order: Order,
) -> Ordering {
    use DestinationColumn as Column;
    match column {
        Column::Key => directed(Some(&a.key), Some(&b.key), order),
        Column::Country => directed(a.country.one(), b.country.one(), order),
        Column::Asn => directed(a.asn.one(), b.asn.one(), order),
        Column::Operator => {
            let group = |row: &DestinationRow| row.operator.one().map(|o| o.group.clone());
            directed(group(a), group(b), order)
        }
        Column::OperatorCountry => {
            let country = |row: &DestinationRow| row.operator.one().and_then(|o| o.headquarters);
            directed(country(a), country(b), order)
        }
        Column::Contact => directed(Some(a.contact), Some(b.contact), order),
        Column::OperatorLevel => directed(a.operator_level, b.operator_level, order),
        Column::LocationLevel => directed(a.location_level, b.location_level, order),
        Column::ContentLevel => directed(Some(a.content_level), Some(b.content_level), order),
        Column::Flags => directed(Some(a.flags.len()), Some(b.flags.len()), order),
        Column::FirstSeen => directed(Some(a.first_seen), Some(b.first_seen), order),
        Column::LastSeen => directed(Some(a.last_seen), Some(b.last_seen), order),
        Column::Flows => directed(Some(a.flows), Some(b.flows), order),
        Column::BytesUp => directed(Some(a.bytes_up), Some(b.bytes_up), order),
        Column::BytesDown => directed(Some(a.bytes_down), Some(b.bytes_down), order),
    }
}

/// What is not known comes last in both orders.
fn directed<T: Ord>(a: Option<T>, b: Option<T>, order: Order) -> Ordering {
    match (a, b, order) {
        (Some(a), Some(b), Order::Ascending) => a.cmp(&b),
        (Some(a), Some(b), Order::Descending) => b.cmp(&a),
        (Some(_), None, _) => Ordering::Less,
        (None, Some(_), _) => Ordering::Greater,
        (None, None, _) => Ordering::Equal,
    }
}
