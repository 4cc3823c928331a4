"""What people do to traders, symbols and accounts: a deed is saved, and then carried out by the traders' looks."""
