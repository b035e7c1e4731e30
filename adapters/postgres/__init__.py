"""PostgreSQL: the store, the vault's keys, tokens, dead letters and locks of an installation that is scaled out."""
