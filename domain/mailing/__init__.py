"""A mailing: one template, sent to the people of a table such as a CSV file.

Pure rules, for every way in that takes such a file. In this order:

1. `decoding.decoded` makes lines of the file's octets, whatever their encoding.
2. `table.read_table` finds the delimiter and the header; its rows are numbered as in a spreadsheet.
3. `columns.match` says which column has the address, which ones the variables of the template.
4. `rows.Judge` makes of each row an entry of a batch, or says why it is left out.
5. `batches` cuts the entries into calls and gives each the key that makes it happen only once.

`entrypoints.mailing_plan` does all of this for a file; it takes a function that says who is on the
suppression list (`Suppressions.unwanted_among`, or POST /api/suppressions/lookup).
"""
