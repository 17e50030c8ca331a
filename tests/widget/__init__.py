"""Tests of the widget's kernel half."""
