"""The protocol of docs/design.md, searched exhaustively for what a crash between two steps can do."""
