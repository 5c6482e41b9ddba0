"""The protocol of Feast's feature server, for clients of Feast."""
