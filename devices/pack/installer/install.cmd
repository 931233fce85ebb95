@echo off
rem Finds the Python that this pack is for and lets it install; no network is used.
py -@PYTHON@ -c "" >nul 2>nul || goto python
py -@PYTHON@ -I "%~dp0install.py" %*
exit /b %errorlevel%
:python
python -I "%~dp0install.py" %*
exit /b %errorlevel%
