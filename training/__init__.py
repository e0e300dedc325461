"""How the shipped models were trained and measured; needs the data sets named in their cards."""
